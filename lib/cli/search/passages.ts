/**
 * Texts cut into passages that an encoder reads whole: paragraphs, as many together as fit.
 *
 * @module
 */

/** A part of a text. */
export interface Passage {
  /** The line that it begins on, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Characters of a passage: about 200 tokens of English. */
const mostCharacters = 900;

const heading = /^#{1,6}\s/;

/**
 * Cuts a text. Paragraphs end at empty lines; a Markdown heading begins a passage; a paragraph
 * that is too long is cut between lines, and a line that is too long between words.
 *
 * @param text The text.
 * @returns Passages in order, none of them empty.
 */
export function splitPassages(text: string): Passage[] {
  const passages: Passage[] = [];
  let lines: string[] = [];
  let first = 1;
  let length = 0;
  const finish = () => {
    const joined = lines.join("\n").trim();
    if (joined !== "") passages.push({ line: first, text: joined });
    lines = [];
    length = 0;
  };
  for (const { line, text: paragraph } of paragraphsOf(text)) {
    const opens = heading.test(paragraph);
    if (lines.length > 0 && (opens || length + paragraph.length > mostCharacters)) finish();
    if (lines.length === 0) first = line;
    lines.push(paragraph);
    length += paragraph.length + 1;
  }
  finish();
  return passages;
}

/** Paragraphs of at most `mostCharacters`, with the lines that they begin on. */
function* paragraphsOf(text: string): Generator<Passage, void, void> {
  let lines: string[] = [];
  let first = 1;
  let length = 0;
  let number = 0;
  for (const line of text.split(/\r?\n/)) {
    number++;
    const blank = line.trim() === "";
    if (lines.length > 0 && (blank || length + line.length > mostCharacters)) {
      yield { line: first, text: lines.join("\n") };
      lines = [];
      length = 0;
    }
    if (blank) continue;
    for (const part of partsOf(line)) {
      if (part.length > mostCharacters / 2) {
        if (lines.length > 0) yield { line: first, text: lines.join("\n") };
        yield { line: number, text: part };
        lines = [];
        length = 0;
        continue;
      }
      if (lines.length === 0) first = number;
      lines.push(part);
      length += part.length + 1;
    }
  }
  if (lines.length > 0) yield { line: first, text: lines.join("\n") };
}

/** A line in parts of at most `mostCharacters`, cut behind a space where there is one. */
function* partsOf(line: string): Generator<string, void, void> {
  let rest = line;
  while (rest.length > mostCharacters) {
    const space = rest.lastIndexOf(" ", mostCharacters);
    const cut = space > mostCharacters / 2 ? space + 1 : mostCharacters;
    yield rest.slice(0, cut);
    rest = rest.slice(cut);
  }
  yield rest;
}
