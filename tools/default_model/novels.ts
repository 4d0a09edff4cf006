/**
 * The chapters of the novels in the R package janeaustenr.
 *
 * R keeps the data of a package in two files: `Rdata.rdb`, values that are compressed by zlib each
 * behind the four bytes of its length, and `Rdata.rdx`, a compressed list of where they begin and
 * how long they are. A value is serialised in XDR format: behind a head of strings, each with two
 * 32-bit numbers (flags and length) before its bytes. A novel is one vector of strings, its lines.
 *
 * @module
 */
import { gunzipSync, inflateSync } from "node:zlib";

/** The types of R's values that are met here, in the low byte of their flags. */
const STRING = 9;
const STRINGS = 16;
const INTEGERS = 13;

/** Lines that name a part of a book and not what happens in it. */
const HEADING = /^(?:VOLUME|CHAPTER) [IVXLC\d]+\.?$/i;
/** Other lines that are no prose: ends, notes of the edition, rows of stars. */
const NO_PROSE = /^(?:FINIS|THE END|End of .*|\[.*\]|[* ]+)$/i;

/**
 * Reads the novels.
 *
 * @param folder where `Rdata.rdb` is
 * @returns the chapters, one paragraph a line
 */
export function novelChapters(folder: string): string[] {
  const index = gunzipSync(Deno.readFileSync(`${folder}/Rdata.rdx`));
  const data = Deno.readFileSync(`${folder}/Rdata.rdb`);
  return placesIn(index).flatMap(([offset, length]) => {
    const value = inflateSync(data.subarray(offset + 4, offset + length));
    return chaptersOf(stringsIn(value));
  });
}

/** Pairs of numbers in the index: offset and length. Other vectors in it are shorter or longer. */
function placesIn(bytes: Uint8Array): [offset: number, length: number][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const places: [number, number][] = [];
  for (let at = 0; at + 16 <= bytes.length; at++) {
    if (view.getUint32(at) !== INTEGERS || view.getUint32(at + 4) !== 2) continue;
    places.push([view.getUint32(at + 8), view.getUint32(at + 12)]);
  }
  return places;
}

/** The vector of strings that a value is. */
function stringsIn(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (view.getUint32(at) !== STRINGS || (view.getUint32(at + 8) & 0xff) !== STRING) at++;
  const count = view.getUint32(at + 4);
  at += 8;
  return Array.from({ length: count }, () => {
    const length = view.getUint32(at + 4);
    const start = at + 8;
    at = start + length;
    return new TextDecoder().decode(bytes.subarray(start, at));
  });
}

function chaptersOf(lines: readonly string[]): string[] {
  const chapters: string[][] = [];
  for (const line of lines) {
    if (HEADING.test(line.trim())) chapters.push([""]);
    const paragraphs = chapters.at(-1);
    // What stands before the first heading is the title.
    if (paragraphs === undefined || HEADING.test(line.trim()) || NO_PROSE.test(line.trim())) {
      continue;
    }
    if (line.trim() === "") paragraphs.push("");
    else paragraphs[paragraphs.length - 1] += `${line.trim()} `;
  }
  return chapters.map((paragraphs) => paragraphs.join("\n").replaceAll("_", ""));
}
