/**
 * Folders for tests that write files.
 */

/**
 * Runs a body with a new folder, and removes it afterwards.
 *
 * @param body what is run with the folder's path
 * @param files texts that the folder holds, by name
 */
export async function withFolder(
  body: (folder: string) => Promise<void> | void,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
