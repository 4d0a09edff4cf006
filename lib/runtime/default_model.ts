/**
 * The file of the model that comes with this module: `default_model/model.gguf` beside it. What it
 * was trained on is said in `tools/default_model/recipe.md`.
 *
 * The file is read and not mapped, since it need not be one of the file system: in an executable
 * that `deno compile --include lib/runtime/default_model` makes, only Deno sees it, and a module
 * that was imported over HTTPS has it at its address.
 */

/** What the model is called. */
export const DEFAULT_MODEL = "quern-default";

const FILE = new URL("./default_model/model.gguf", import.meta.url);

/**
 * Reads the model's file.
 *
 * @returns A GGUF file.
 * @throws {Error} When it cannot be read.
 */
export async function readDefaultModel(): Promise<Uint8Array<ArrayBuffer>> {
  try {
    if (FILE.protocol === "file:") return await Deno.readFile(FILE);
    const response = await fetch(FILE);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    throw new Error(`the server answers ${response.status}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `the model that comes with Quern cannot be read (${reason}); name another, for example ` +
        "smollm2",
      { cause },
    );
  }
}
