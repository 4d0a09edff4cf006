/**
 * What a file is by its first bytes, so that a wrong file is named for what it is. People hand a
 * web page saved by mistake, a Git LFS pointer or an archive to a reader more often than a damaged
 * file.
 *
 * @module
 */
import { INCOMPLETE, malformed } from "./byte_reader.ts";

/** Files that are handed to readers by mistake: their first bytes, and what to say. */
const MISTAKEN: readonly [string, string, string][] = [
  ["version https://git-lfs", "a Git LFS pointer", "fetch the file it points to: git lfs pull"],
  ["<!DOCTYPE", "a web page", "download the file itself, not the page about it"],
  ["<!doctype", "a web page", "download the file itself, not the page about it"],
  ["<html", "a web page", "download the file itself, not the page about it"],
  ["PK\x03\x04", "a ZIP archive", "unpack it, or convert a PyTorch checkpoint"],
  ["\x1f\x8b", "compressed with gzip", "unpack it first"],
  ["lmgg", "a GGML file, GGUF's predecessor", "convert the model again with a current llama.cpp"],
  ["fmgg", "a GGMF file, GGUF's predecessor", "convert the model again with a current llama.cpp"],
  ["tjgg", "a GGJT file, GGUF's predecessor", "convert the model again with a current llama.cpp"],
  ["GGUF", "a GGUF file", "read it as one"],
  ["\x93NUMPY", "an npy file", "read it as one"],
];

/**
 * Whether a file begins with these bytes.
 *
 * @param bytes The file.
 * @param magic The bytes, one for each character.
 */
export function startsWith(bytes: Uint8Array, magic: string): boolean {
  if (bytes.length < magic.length) return false;
  for (let i = 0; i < magic.length; i++) {
    if (bytes[i] !== magic.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * The error for a file that does not begin as its format does.
 *
 * @param bytes The file.
 * @param name The file's name.
 * @param format The format that was expected.
 */
export function notThisFormat(bytes: Uint8Array, name: string, format: string): SyntaxError {
  if (bytes.length === 0) return malformed(name, "the file is empty", 0, INCOMPLETE);
  for (const [magic, kind, advice] of MISTAKEN) {
    if (startsWith(bytes, magic)) {
      return malformed(name, `the file is ${kind}, not ${format}`, 0, advice);
    }
  }
  const found = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0"));
  return malformed(
    name,
    `not ${format}: the file begins with the bytes ${found.join(" ")}`,
    0,
    `check that this is the ${format} file that you meant`,
  );
}
