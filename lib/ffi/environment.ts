/**
 * The few QUERN_… variables, read without ever asking for permission: where
 * reading the environment is not allowed, a variable counts as unset.
 */

/** The variables that Quern reads. */
export type EnvironmentVariable = "QUERN_LIBRARY" | "QUERN_ISA" | "QUERN_DEBUG" | "QUERN_THREADS";

/**
 * The value of an environment variable.
 *
 * @param name The variable.
 * @returns Its value; undefined when it is unset, empty, or may not be read.
 */
export function environment(name: EnvironmentVariable): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) || undefined : undefined;
}
