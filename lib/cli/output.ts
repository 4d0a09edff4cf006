/**
 * Standard output and standard error.
 *
 * Results go to standard output, all else to standard error. Writing is
 * synchronous, so that a streamed piece is visible before the next one is
 * computed and nothing is lost when the process exits. Colour is used on
 * terminals only, and never with NO_COLOR (https://no-color.org).
 *
 * @module
 */

import { ClosedPipeError, fileError } from "./errors.ts";

const encoder = new TextEncoder();

/** Writes to standard output. */
export function writeOut(text: string): void {
  try {
    writeBytes(Deno.stdout, encoder.encode(text));
  } catch (error) {
    throw fileError("standard output", error);
  }
}

/** Writes one value as JSON on a line of standard output. */
export function writeJson(value: unknown): void {
  writeOut(`${JSON.stringify(value)}\n`);
}

/** Writes a line to standard error. A closed standard error is nobody's concern. */
export function writeLog(line: string): void {
  try {
    writeBytes(Deno.stderr, encoder.encode(`${line}\n`));
  } catch (error) {
    if (!(error instanceof ClosedPipeError)) throw error;
  }
}

function writeBytes(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new ClosedPipeError("closed pipe");
    throw error;
  }
}

/** Whether standard error is a terminal: then progress and statistics are shown. */
export function logIsTerminal(): boolean {
  return Deno.stderr.isTerminal();
}

/** Reads all of standard input as text: exact, nothing is trimmed. */
export async function readInput(): Promise<string> {
  const bytes = await new Response(Deno.stdin.readable).arrayBuffer();
  // A byte order mark belongs to the text that was given.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Makes a text bold or dim where standard output is a terminal that wants it. */
export function styled(style: "bold" | "dim", text: string): string {
  if (Deno.noColor || !Deno.stdout.isTerminal()) return text;
  return `\x1b[${style === "bold" ? 1 : 2}m${text}\x1b[0m`;
}

/**
 * A table as lines of text: columns as wide as their widest cell.
 *
 * @param rows the cells, the head first
 * @param right the columns that are aligned to the right, as numbers are
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  const lines = rows.map((row) =>
    row.map((cell, i) => right.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))
      .join("  ").trimEnd()
  );
  return lines.join("\n");
}

/** A table in Markdown, for documents. */
export function markdownTable(
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = rows;
  const rule = head.map((_, i) => right.has(i) ? "--:" : "---");
  return [line(head), line(rule), ...body.map(line)].join("\n");
}
