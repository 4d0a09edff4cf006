/**
 * The few path operations that the cache needs, without a dependency.
 *
 * Deno and Windows accept `/` between the parts of a path, so paths made here
 * always use it; paths from people may hold either separator.
 *
 * @module
 */

/** Joins parts of a path with one `/` between them. */
export function join(first: string, ...rest: string[]): string {
  let path = first;
  for (const part of rest) path = `${path.replace(/[\\/]+$/, "")}/${part}`;
  return path;
}

/** The folder that holds a path; `"."` when it names none. */
export function dirname(path: string): string {
  const end = path.replace(/[\\/]+$/, "").search(/[\\/][^\\/]*$/);
  return end < 0 ? "." : end === 0 ? "/" : path.slice(0, end);
}

/** The last part of a path. */
export function basename(path: string): string {
  return path.replace(/[\\/]+$/, "").replace(/^.*[\\/]/s, "");
}
