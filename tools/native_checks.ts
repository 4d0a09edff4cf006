/**
 * Checks that tie `csrc/quern.h`, `lib/ffi/symbols.ts` and the built libraries together.
 *
 * @module
 */
import { exportedNames } from "./exports.ts";
import { listFiles } from "./files.ts";
import { generateSymbols, HEADER_URL, SYMBOLS_URL } from "./gen_symbols.ts";
import { parseHeader } from "./header.ts";

/** The largest library that is delivered, in bytes. */
const MAX_LIBRARY_BYTES = 1_500_000;

/** Says what is wrong when the checked-in FFI table is not the one that the header gives. */
export async function checkTable(): Promise<string[]> {
  const expected = generateSymbols(await Deno.readFile(HEADER_URL));
  const actual = await Deno.readTextFile(SYMBOLS_URL);
  return actual === expected
    ? []
    : ["lib/ffi/symbols.ts is not what csrc/quern.h gives: run `deno task gen`"];
}

/**
 * Compares what a library exports with what the header declares.
 *
 * @param header the header's text
 * @param library the library's bytes
 * @returns one line for each name that only one of them has
 */
export function compareExports(header: string, library: Uint8Array): string[] {
  const declared = new Set(parseHeader(header).functions.map(({ name }) => name));
  const exported = new Set(exportedNames(library));
  return [
    ...[...declared.difference(exported)].map((name) => `${name} is declared, but not exported`),
    ...[...exported.difference(declared)].map((name) => `${name} is exported, but not declared`),
  ];
}

/**
 * Checks every library below a folder: what it exports, and its size.
 *
 * @param folder the folder, ended by a slash
 * @returns how many libraries there are, and what is wrong with them
 */
export async function checkLibraries(
  folder: string,
): Promise<{ libraries: string[]; problems: string[] }> {
  const header = await Deno.readTextFile(HEADER_URL);
  const libraries = (await listFiles(folder)).filter((file) =>
    /quern\.(?:so|dylib|dll)$/.test(file)
  );
  const problems: string[] = [];
  for (const file of libraries) {
    const bytes = await Deno.readFile(folder + file);
    problems.push(...compareExports(header, bytes).map((problem) => `${file}: ${problem}`));
    if (bytes.length > MAX_LIBRARY_BYTES) {
      problems.push(`${file}: ${bytes.length} bytes, more than ${MAX_LIBRARY_BYTES}`);
    }
  }
  return { libraries, problems };
}
