/**
 * Files with their weights in another type, beside the element by element reference of
 * tests/support/quantize.ts.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Gguf, parseGguf } from "../../../lib/formats/mod.ts";
import { quantize, type WeightType } from "../../support/quantize.ts";
import { smallGguf } from "../../support/small_gguf.ts";
import { quern, withSmallModel } from "./run_command.ts";

function tensorBytes({ tensors }: Gguf, file: Uint8Array, name: string): Uint8Array {
  const { offset, byteLength } = tensors.get(name)!;
  return file.slice(offset, offset + byteLength);
}

/** The type that a tensor of the small model is to get. */
function wantedType(name: string, shape: readonly number[], type: WeightType): WeightType {
  if (shape.length < 2) return "F32";
  return name === "token_embd.weight" && type.startsWith("Q4") ? "Q8_0" : type;
}

for (const type of ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"] as const) {
  Deno.test(`quantize writes ${type} with the reference's bytes and the same metadata`, async () => {
    await withSmallModel(async (model, folder) => {
      const target = `${folder}/out.gguf`;
      const args = ["quantize", model, target, "--type", type, "--json"];
      const { code, stdout, stderr } = await quern(args);
      assertEquals([code, stderr], [0, ""]);
      const file = await Deno.readFile(target);
      const written = parseGguf(file);
      const { weights, bytes } = smallGguf();
      const { metadata } = parseGguf(bytes);
      for (const [name, { shape, values }] of weights) {
        const wanted = wantedType(name, shape, type);
        assertEquals(written.tensors.get(name)?.type, wanted, name);
        assertEquals(written.tensors.get(name)?.shape, shape);
        assertEquals(tensorBytes(written, file, name), quantize(values, wanted).data, name);
      }
      for (const [key, value] of metadata) assertEquals(written.metadata.get(key), value, key);
      const codes = { F32: 0, F16: 1, BF16: 32, Q8_0: 7, Q4_0: 2, Q4_1: 3 };
      assertEquals(written.metadata.get("general.file_type"), codes[type]);
      assertEquals(written.types.get("llama.rope.freq_base"), "float32");
      const { bytesAfter, tensors } = JSON.parse(stdout);
      assertEquals([bytesAfter, tensors], [file.length, weights.size]);
      const run = await quern([
        "generate",
        "--model",
        target,
        "--prompt",
        "the",
        "--max-tokens",
        "4",
      ]);
      assertEquals(run.code, 0, run.stderr);
    });
  });
}

Deno.test("quantize reads what is quantised already, and replaces its own source", async () => {
  await withSmallModel(async (model) => {
    const { code, stdout } = await quern(["quantize", model, model, "--type", "q8_0"]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, `${model}: Q8_0, `);
    const file = await Deno.readFile(model);
    const { values } = smallGguf({ type: "Q4_1" }).weights.get("blk.0.ffn_up.weight")!;
    const bytes = tensorBytes(parseGguf(file), file, "blk.0.ffn_up.weight");
    assertEquals(bytes, quantize(values, "Q8_0").data);
  }, { type: "Q4_1" });
});

Deno.test("quantize makes a matrix F16 whose rows are not whole blocks, and leaves integers", async () => {
  const odd = { type: "F32", shape: [3, 40], data: new Uint8Array(480) };
  const ids = { type: "I32", shape: [2, 2], data: new Uint8Array(16).fill(7) };
  await withSmallModel(async (model, folder) => {
    const target = `${folder}/out.gguf`;
    assertEquals((await quern(["quantize", model, target, "--type", "Q4_0"])).code, 0);
    const file = await Deno.readFile(target);
    const written = parseGguf(file);
    assertEquals(written.tensors.get("odd.weight")?.type, "F16");
    assertEquals(written.tensors.get("ids")?.type, "I32");
    assertEquals(tensorBytes(written, file, "ids"), ids.data);
  }, { tensors: { "odd.weight": odd, ids } });
});

/** A matrix of 32 ones and one other value. */
function matrixWith(value: number) {
  const values = new Float32Array(64).fill(1);
  values[40] = value;
  return { type: "F32", shape: [2, 32], data: new Uint8Array(values.buffer) };
}

Deno.test("quantize refuses numbers that are not finite or do not fit, and leaves no file", async () => {
  for (
    const [value, type, words] of [
      [NaN, "Q8_0", "tensor bad.weight holds NaN; the model is damaged"],
      [-Infinity, "BF16", "holds Infinity"],
      [1e5, "F16", "holds 100000, too large for F16; use BF16"],
      [-1e5, "Q4_1", "holds 100000, too large for Q4_1; use BF16"],
    ] as const
  ) {
    await withSmallModel(async (model, folder) => {
      const { code, stderr } = await quern(["quantize", model, `${folder}/o.gguf`, "--type", type]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, words);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["small.gguf"]);
    }, { tensors: { "bad.weight": matrixWith(value) } });
  }
});

Deno.test("quantize says which types there are, and what it cannot read or write", async () => {
  const foreign = { type: "Q6_K", shape: [1, 256], data: new Uint8Array(210) };
  await withSmallModel(async (model, folder) => {
    const target = `${folder}/out.gguf`;
    const unknown = await quern(["quantize", model, target, "--type", "Q4_K"]);
    assertEquals(unknown.code, 2);
    assertStringIncludes(unknown.stderr, 'F32, F16, BF16, Q8_0, Q4_0, Q4_1, not "Q4_K"');
    assertEquals((await quern(["quantize", model, target])).code, 2);
    const source = await quern(["quantize", model, target, "--type", "Q8_0"]);
    assertEquals(source.code, 1);
    assertStringIncludes(source.stderr, "tensor foreign.weight is stored as Q6_K");
    const nowhere = await quern(["quantize", model, `${folder}/no/out.gguf`, "--type", "F16"]);
    assertEquals(nowhere.code, 1);
    assertStringIncludes(nowhere.stderr, "no/out.gguf: no such file or folder");
    assert(!(await quern(["quantize", folder, target, "--type", "F16"])).stderr.includes("\n "));
  }, { tensors: { "foreign.weight": foreign } });
});
