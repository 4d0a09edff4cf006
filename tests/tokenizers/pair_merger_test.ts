import { BPE } from "@huggingface/tokenizers";
import { assertEquals } from "@std/assert";
import { PairMerger } from "../../lib/tokenizers/pair_merger.ts";
import { random } from "./vocabularies.ts";

/** All strings over three letters up to length four that a random list of merges reaches. */
function randomModel(seed: number): BPE {
  const next = random(seed);
  const tokens = ["a", "b", "c"];
  const merges: [string, string][] = [];
  while (merges.length < 60) {
    const pick = () => tokens[Math.floor(next() * tokens.length)];
    const [left, right] = [pick(), pick()];
    if ((left + right).length > 6 || merges.some(([l, r]) => l === left && r === right)) continue;
    merges.push([left, right]);
    if (!tokens.includes(left + right)) tokens.push(left + right);
  }
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return new BPE({ type: "BPE", vocab, merges, ignore_merges: false });
}

Deno.test("split() merges random words exactly as the library does", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const model = randomModel(seed);
    const merger = new PairMerger(model);
    const next = random(seed + 1000);
    for (let i = 0; i < 20; i++) {
      const length = 1 + Math.floor(next() * 200);
      const word = Array.from({ length }, () => "abcd"[Math.floor(next() * 4)]).join("");
      assertEquals(merger.split(word), model.bpe(word));
    }
  }
});
