/**
 * Environment variables, read without ever asking for permission: where reading
 * one is not allowed, it counts as unset.
 */

/**
 * The value of an environment variable.
 *
 * @param variable Its name.
 * @returns Its value; undefined when it is unset, empty, or may not be read.
 */
export function environment(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) || undefined : undefined;
}
