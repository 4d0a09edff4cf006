/**
 * Mutants of safetensors files, judged as the format's own package judges them: version 0.8.0, by
 * tests/data/safetensors_verdicts.py with 600 mutants of seed 1.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { parseSafetensors } from "../../lib/formats/mod.ts";
import verdicts from "../data/safetensors_verdicts.json" with { type: "json" };

/** The sorted names of a file's tensors; null where the file is refused. */
function namesIn(file: Uint8Array): string[] | null {
  try {
    return [...parseSafetensors(file).tensors.keys()].sort();
  } catch (error) {
    assertInstanceOf(error, SyntaxError);
    return null;
  }
}

Deno.test("parseSafetensors() accepts and refuses what the format's own package does", () => {
  let accepted = 0;
  for (const [i, [file, names]] of verdicts.entries()) {
    assertEquals(namesIn(Uint8Array.fromBase64(file as string)), names, `mutant ${i}: ${file}`);
    if (names !== null) accepted++;
  }
  assert(accepted > 50 && verdicts.length - accepted > 300, `${accepted} of ${verdicts.length}`);
});
