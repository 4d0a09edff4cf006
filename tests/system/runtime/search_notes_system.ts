/**
 * The example that people start from: a folder of Markdown is asked, read once, asked again.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import "../../support/native.ts";
import { withFolder } from "../../support/folder.ts";

const example = new URL("../../../examples/search_notes.ts", import.meta.url).pathname;
const config = new URL("../../../deno.json", import.meta.url).pathname;

async function ask(cwd: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", config, example, ...args],
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, errors);
  return { stdout: out, stderr: errors };
}

Deno.test("examples/search_notes.ts finds the paragraph that answers, and keeps its vectors", async () => {
  const notes = "# Mills\n\nThe wheel is turned by the river.\n\nFlour is sold on Mondays.\n";
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/notes`);
    await Deno.writeTextFile(`${folder}/notes/mills.md`, notes);
    await Deno.writeTextFile(`${folder}/notes/other.txt`, "When can I buy flour?");
    const first = await ask(folder, "notes", "When can I buy flour?");
    assertMatch(first.stdout, /^0\.\d{3} {2}mills\.md, paragraph 3\nFlour is sold on Mondays\./);
    assert(Array.from(Deno.readDirSync(folder), ({ name }) => name).includes("notes.vectors"));
    const other = await ask(folder, "notes", "What drives the machine?");
    assertMatch(other.stdout, /^0\.\d{3} {2}mills\.md, paragraph 2\n/);
  });
});
