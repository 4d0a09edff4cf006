/**
 * Makes the text that the default model is trained on: novels and a translation of the Bible, both
 * in the public domain, as Debian ships them. recipe.md beside this file says more about them.
 *
 *     deno run -A tools/default_model/text.ts TEXT
 *
 * The packages are fetched by apt into a temporary folder and unpacked there; nothing is installed.
 * Chapters become texts of their own, one paragraph a line, in an order that only depends on their
 * contents, so that the end of the file, on which the model is validated, has both kinds.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { runProgram } from "../../lib/ffi/process.ts";
import { novelChapters } from "./novels.ts";
import { bibleChapters } from "./sword_bible.ts";

/** The packages, with the versions that the published model was trained on. */
const PACKAGES = ["r-cran-janeaustenr=1.0.0-1", "sword-text-web=426.0-1"];
/** Separates texts, as `quern train` reads them. */
const END = "<|endoftext|>";
/** Shorter chapters are dedications and the like. */
const SHORTEST = 500;

/**
 * Makes the text.
 *
 * @param folder a folder that the packages may be unpacked in
 * @returns the whole text
 */
export async function makeText(folder: string): Promise<string> {
  await run(["apt-get", "download", ...PACKAGES], folder);
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (name.endsWith(".deb")) await run(["dpkg-deb", "-x", name, "."], folder);
  }
  const chapters = [
    ...novelChapters(`${folder}/usr/lib/R/site-library/janeaustenr/data`),
    ...bibleChapters(`${folder}/usr/share/sword/modules/texts/ztext/engWEB2015eb`),
  ].map(plain).filter((chapter) => chapter.length >= SHORTEST);
  return inFixedOrder(chapters).map((chapter) => `${chapter}\n${END}\n`).join("");
}

async function run(command: string[], cwd: string): Promise<void> {
  const outcome = await runProgram(command, { cwd });
  if (outcome?.code === 0) return;
  throw new Error(`${command.join(" ")} failed: ${outcome?.stderr ?? "there is no such program"}`);
}

/** One paragraph a line, with the quotation marks and dashes of a typewriter. */
function plain(chapter: string): string {
  return chapter.replace(/[“”]/g, '"').replace(/[‘’]/g, "'").replace(/—/g, "--")
    .replace(/[^\S\n]+/g, " ").replace(/ ?\n ?/g, "\n").replace(/\n+/g, "\n")
    .replace(/ ([,.;:!?])/g, "$1").trim();
}

function inFixedOrder(chapters: readonly string[]): string[] {
  const keyed = chapters.map((text) => ({ text, key: hashOf(text) }));
  return keyed.sort((a, b) => a.key < b.key ? -1 : 1).map(({ text }) => text);
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

if (import.meta.main) {
  const [path] = Deno.args;
  const folder = await Deno.makeTempDir();
  try {
    const text = await makeText(folder);
    await Deno.writeTextFile(path, text);
    console.log(`${path}: ${text.length} characters, SHA-256 ${hashOf(text)}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
