/**
 * MiniLM's sentence embeddings against exact ones (float64 arithmetic on the same weights),
 * from the library and from the command. The model is pulled into the cache when it is
 * not there.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import "../../support/native.ts";
import { Embedder } from "../../../lib/runtime/mod.ts";
import { quern } from "../cli/run_command.ts";

const references: { text: string; embedding: number[] }[] = JSON.parse(
  Deno.readTextFileSync(new URL("../../data/minilm_reference.json", import.meta.url)),
);

/** Of two vectors, the second of which may be rounded. */
function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

/** The least cosine of a vector to the exact one. */
const least = { exact: 0.9999999, fast: 0.9999 } as const;

for (const precision of ["exact", "fast"] as const) {
  Deno.test(`MiniLM's ${precision} vectors are near the exact, alone with the bits as together`, async () => {
    using embedder = await Embedder.load("minilm", { precision });
    assertEquals([embedder.dimensions, embedder.config.pooling], [384, "mean"]);
    const together = await embedder.embed(references.map(({ text }) => text));
    for (const [i, { text, embedding }] of references.entries()) {
      const likeness = cosine(together.row(i), embedding);
      assert(likeness >= least[precision], `${text}: ${likeness}`);
      assertEquals((await embedder.embed([text])).data, together.row(i).slice());
    }
  });
}

Deno.test("quern embed writes a vector for each line, the empty and the last included", async () => {
  const lines = ["A watermill.", "", "The mill stood by the river."];
  const { code, stdout, stderr } = await quern(["embed", "--model", "minilm", "--json"], {
    input: lines.join("\r\n"),
  });
  assertEquals(code, 0, stderr);
  using embedder = await Embedder.load("minilm");
  const expected = await embedder.embed(lines);
  const vectors: number[][] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    vectors.map((vector) => Float32Array.from(vector)),
    [...expected].map((v) => v.slice()),
  );
  const fast = await quern(["embed", "--model", "minilm", "--precision", "fast"], {
    input: lines[2],
  });
  assert(cosine(JSON.parse(fast.stdout), expected.row(2)) >= least.fast, fast.stderr);
  const refused = await quern(["embed", "--model", "minilm", "--dimensions", "385"]);
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assertMatch(refused.stderr, /^quern: embed: dimensions is an integer from 1 to 384, not 385\n$/);
});
