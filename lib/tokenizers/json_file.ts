/**
 * The JSON files of a folder model.
 *
 * @module
 */

/** The largest that is known has 35 MB. */
const MAX_FILE_BYTES = 1 << 28;

/**
 * The value in a file.
 *
 * @param path The file.
 * @returns The value; undefined where there is no such file.
 * @throws {SyntaxError} Where the file is too large, or is not JSON.
 */
export async function readJsonFile(path: string): Promise<unknown> {
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new SyntaxError(`${path} has ${size} bytes, more than ${MAX_FILE_BYTES}`);
    }
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`${path} is not valid JSON: ${reason}; fetch or make it again`, {
      cause,
    });
  }
}
