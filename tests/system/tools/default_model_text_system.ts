/**
 * The readers of the two formats that the default model's text comes in, on files made here from
 * the formats' descriptions.
 */
import { assertEquals } from "@std/assert";
import { deflateSync, gzipSync } from "node:zlib";
import { novelChapters } from "../../../tools/default_model/novels.ts";
import { bibleChapters } from "../../../tools/default_model/sword_bible.ts";
import { withFolder } from "../../support/folder.ts";

const utf8 = new TextEncoder();

/** 32-bit numbers, as R's XDR format has them. */
function words(...values: number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** A vector of strings behind the head that R writes. */
function serialised(lines: readonly string[]): Uint8Array<ArrayBuffer> {
  const strings = lines.map((line) => utf8.encode(line)).flatMap((bytes) => [
    words(0x40009, bytes.length),
    bytes,
  ]);
  const head = [utf8.encode("X\n"), words(3, 0x40201, 0x30500, 5), utf8.encode("UTF-8")];
  return joined(...head, words(16, lines.length), ...strings);
}

Deno.test("novelChapters() reads R's data: chapters of paragraphs, without headings", async () => {
  await withFolder(async (folder) => {
    const novels = [
      [
        "A TITLE",
        "",
        "CHAPTER I",
        "",
        "It was _very_",
        "late.",
        "",
        "Über all.",
        "CHAPTER 2",
        "Two.",
      ],
      ["VOLUME I", "", "Chapter I", "One", "", "[A note.]", "* * *", "", "FINIS"],
    ];
    const values = novels.map((lines) => {
      const value = serialised(lines);
      return joined(words(value.length), deflateSync(value));
    });
    const index = [0, values[0].length].flatMap((offset, i) => [13, 2, offset, values[i].length]);
    await Deno.writeFile(`${folder}/Rdata.rdb`, joined(...values));
    const head = utf8.encode("X\nhead");
    await Deno.writeFile(
      `${folder}/Rdata.rdx`,
      new Uint8Array(gzipSync(joined(head, words(...index)))),
    );
    const tidy = (chapter: string) => chapter.replace(/\s*\n\s*/g, "\n").trim();
    const chapters = novelChapters(folder).map(tidy).filter((chapter) => chapter !== "");
    assertEquals(chapters, ["It was very late.\nÜber all.", "Two.", "One"]);
  });
});

/** Writes a testament of blocks, each of verses. */
async function writeTestament(path: string, blocks: readonly (readonly string[])[]): Promise<void> {
  const data = blocks.map((verses) => new Uint8Array(deflateSync(utf8.encode(verses.join("")))));
  const verseCount = blocks.reduce((sum, verses) => sum + verses.length, 0);
  const sizes = new DataView(new ArrayBuffer(12 * blocks.length));
  const places = new DataView(new ArrayBuffer(10 * verseCount));
  let start = 0;
  let verse = 0;
  blocks.forEach((verses, block) => {
    sizes.setUint32(12 * block, start, true);
    sizes.setUint32(12 * block + 4, data[block].length, true);
    start += data[block].length;
    let at = 0;
    for (const text of verses) {
      const { length } = utf8.encode(text);
      places.setUint32(10 * verse, block, true);
      places.setUint32(10 * verse + 4, at, true);
      places.setUint16(10 * verse++ + 8, length, true);
      at += length;
    }
  });
  await Deno.writeFile(`${path}.bzz`, joined(...data));
  await Deno.writeFile(`${path}.bzs`, new Uint8Array(sizes.buffer));
  await Deno.writeFile(`${path}.bzv`, new Uint8Array(places.buffer));
}

Deno.test("bibleChapters() reads zText: chapters without marks, headings and notes", async () => {
  await withFolder(async (folder) => {
    await writeTestament(`${folder}/ot`, [[
      '<div type="front"/><title>Preface</title>Not a chapter.',
      '<chapter n="1" osisID="Gen.1" sID="Gen.1"/>',
      '<w lemma="x">In</w> the<note placement="foot">A <b>note</b>.</note> beginning — “day”. ',
      '<div sID="gen1" type="x-p"/>Salt &amp; light.<chapter eID="Gen.1"/> Behind.',
      '<chapter osisID="Gen.2" sID="Gen.2"/><title>A heading</title>',
      'Second.<chapter eID="Gen.2"/>',
    ]]);
    await writeTestament(`${folder}/nt`, [['<chapter sID="Matt.1"/>'], [
      "Für alle.",
      '<chapter eID="Matt.1"/>',
    ]]);
    const chapters = bibleChapters(folder).map((chapter) =>
      chapter.replace(/[^\S\n]+/g, " ").replace(/ ?\n ?/g, "\n").trim()
    );
    assertEquals(chapters, [
      "In the beginning — “day”.\nSalt & light.",
      "Second.",
      "Für alle.",
    ]);
  });
});
