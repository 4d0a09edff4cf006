/**
 * The chapters of a Bible in the zText format of the SWORD project.
 *
 * A testament has three files: blocks that are compressed by zlib (`.bzz`); where each begins, how
 * long it is, and how long its contents are (`.bzs`, three 32-bit numbers); and for each verse,
 * heading or introduction, in order, its block, its place there and its length (`.bzv`, 32, 32 and
 * 16 bits, which is why a chapter's end is found by its mark). Numbers are little-endian. The text
 * is marked up in OSIS.
 *
 * @module
 */
import { inflateSync } from "node:zlib";

const BLOCK_ENTRY = 12;
const VERSE_ENTRY = 10;

/**
 * Reads the chapters.
 *
 * @param folder where the files are
 * @returns the text of each chapter, without headings and notes, one paragraph a line
 */
export function bibleChapters(folder: string): string[] {
  return ["ot", "nt"].flatMap((testament) => {
    const [places, blocks, data] = ["bzv", "bzs", "bzz"].map((ending) =>
      Deno.readFileSync(`${folder}/${testament}.${ending}`)
    );
    const contents = contentsOf(blocks, data);
    return chaptersOf(versesOf(places, contents));
  });
}

function contentsOf(blocks: Uint8Array, data: Uint8Array): Uint8Array[] {
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
  return Array.from({ length: blocks.length / BLOCK_ENTRY }, (_, i) => {
    const start = view.getUint32(i * BLOCK_ENTRY, true);
    const length = view.getUint32(i * BLOCK_ENTRY + 4, true);
    return length === 0 ? new Uint8Array(0) : inflateSync(data.subarray(start, start + length));
  });
}

function versesOf(places: Uint8Array, contents: readonly Uint8Array[]): string[] {
  const view = new DataView(places.buffer, places.byteOffset, places.length);
  return Array.from({ length: places.length / VERSE_ENTRY }, (_, i) => {
    const block = contents[view.getUint32(i * VERSE_ENTRY, true)];
    const start = view.getUint32(i * VERSE_ENTRY + 4, true);
    const length = view.getUint16(i * VERSE_ENTRY + 8, true);
    return new TextDecoder().decode(block.subarray(start, start + length));
  });
}

/** What lies between the marks of a chapter's beginning and end. */
function chaptersOf(verses: readonly string[]): string[] {
  const chapters: string[] = [];
  let isInside = false;
  for (const verse of verses) {
    const begins = /<chapter [^>]*sID=/.test(verse);
    if (begins) chapters.push("");
    isInside ||= begins;
    const [before] = verse.split(/<chapter [^>]*eID=/);
    if (isInside) chapters[chapters.length - 1] += `${withoutMarks(before)} `;
    if (before !== verse) isInside = false;
  }
  return chapters;
}

function withoutMarks(osis: string): string {
  return osis
    .replace(/<note\b[^>]*>.*?<\/note>/gs, " ")
    .replace(/<title\b[^>]*>.*?<\/title>/gs, " ")
    .replace(/<div\b[^>]*type="x-p"[^>]*>|<lg\b[^>]*>/g, "\n")
    .replace(/<[^>]*>/g, "")
    .replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&amp;/g, "&");
}
