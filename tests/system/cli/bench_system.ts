import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { quern } from "./run_command.ts";

/** What every row has, by the command's promise. */
const NUMBERS = ["threads", "iterations", "medianNs", "minNs", "itemsPerSecond"] as const;

/** Names of the rows for one isolate. */
const NAMES = [
  "acquire 512",
  "rent 512",
  "rent 512 using",
  "rent 512, 64 held",
  "batch 512 × 64 raw",
  "batch 512 × 64",
  "batch 512 × 64 using",
  "tensor 512",
  "tensor 512 using",
  "tensor 512, 64 held",
  "workspace 512",
  "new Float32Array 512",
  "using",
];

Deno.test("bench pool prints a row for each way to hold memory, alone and with workers", async () => {
  const options = ["--size", "512", "--iters", "2", "--workers", "2", "--json"];
  const { code, stdout, stderr } = await quern(["bench", "pool", ...options]);
  assertEquals(code, 0, stderr);
  const rows: Record<string, unknown>[] = JSON.parse(stdout);
  const withWorkers = NAMES.map((name) => `${name}, 2 workers`);
  assertEquals(rows.map(({ name }) => name), [...NAMES, ...withWorkers]);
  for (const row of rows) {
    for (const field of NUMBERS) assert(Number(row[field]) > 0, `${row.name}: ${field}`);
    assert(Number(row.minNs) <= Number(row.medianNs));
    assertEquals(row.iterations, 2);
    assertEquals(row.shape, String(row.name).startsWith("using") ? "-" : "512");
    assertEquals(row.threads, String(row.name).endsWith("2 workers") ? 2 : 1);
    assertEquals(Number.isInteger(row.garbageCollections), true);
  }
  const find = (name: string) => rows.find((row) => row.name === name)!;
  assertAlmostEquals(Number(find("acquire 512").heapBytesPerOp), 0, 0.01);
  assertEquals([
    find("acquire 512").nativeAllocationsPerOp,
    find("rent 512").nativeAllocationsPerOp,
  ], [
    0,
    0,
  ]);
  assertEquals(find("acquire 512").garbageCollections, 0);
  assert(Number(find("acquire 512").countedOperations) >= 1_000_000);
  assert(Number(find("rent 512, 64 held").heapBytesPerOp) <= 66, "the size of a safe handle");
  assertAlmostEquals(Number(find("workspace 512").heapBytesPerOp), 0, 0.1);
  assertEquals(find("new Float32Array 512").nativeAllocationsPerOp, null);
});

Deno.test("bench matmul prints a row for linear and one for matmul of each shape", async () => {
  const options = ["--shape", "5x70x30", "--iters", "2", "--threads", "1", "--json"];
  const { code, stdout, stderr } = await quern(["bench", "matmul", ...options]);
  assertEquals(code, 0, stderr);
  const rows: Record<string, unknown>[] = JSON.parse(stdout);
  assertEquals(rows.map(({ name, shape }) => [name, shape]), [
    ["linear", "5x70x30"],
    ["matmul", "5x70x30"],
  ]);
  for (const row of rows) {
    for (const field of NUMBERS) assert(Number(row[field]) > 0, `${row.name}: ${field}`);
    assertAlmostEquals(Number(row.gflops), 2 * 5 * 70 * 30 / Number(row.medianNs), 1e-9);
    assertEquals([row.threads, row.iterations, row.nativeAllocationsPerOp], [1, 2, 0]);
  }
  for (const shape of ["5x70", "5x70x0", "5x70xk", "99999x99999x9"]) {
    const refused = await quern(["bench", "matmul", "--shape", shape]);
    assertEquals([refused.code, refused.stdout], [2, ""]);
    assertMatch(refused.stderr, /^quern: bench: --shape /);
  }
});

Deno.test("bench layernorm, softmax, reduce and copy print a row for each operation on rows", async () => {
  const names: Record<string, string[]> = {
    layernorm: ["layerNorm", "layerNormResidual", "rmsNorm", "rmsNormResidual"],
    softmax: ["softmax", "logSoftmax"],
    reduce: ["rows", "columns", "all"].flatMap((what) =>
      ["sum", "mean", "variance", "max", "norm", "logSumExp", "argmax"]
        .map((name) => `${name}, ${what}`)
    ).slice(0, -1),
    copy: [
      "copyFrom",
      "copyFrom, transposed",
      "gather, rows",
      "gather, items",
      "takeAlongAxis",
      "scatterAddInPlace",
      "pad",
      "concatenate",
      "flip, rows",
      "flip, columns",
      ...["float16", "float64", "int32"].map((dtype) => `cast to ${dtype}`),
    ],
  };
  for (const [what, expected] of Object.entries(names)) {
    const options = ["--shape", "6x100", "--iters", "2", "--threads", "1", "--json"];
    const { code, stdout, stderr } = await quern(["bench", what, ...options]);
    assertEquals(code, 0, stderr);
    const rows: Record<string, unknown>[] = JSON.parse(stdout);
    assertEquals(rows.map(({ name, shape }) => [name, shape]), expected.map((n) => [n, "6x100"]));
    for (const row of rows) {
      assertAlmostEquals(Number(row.itemsPerSecond), 600e9 / Number(row.medianNs), 1);
      assertEquals([row.threads, row.iterations, row.nativeAllocationsPerOp], [1, 2, 0]);
    }
    const refused = await quern(["bench", what, "--shape", "6x100x3"]);
    assertEquals([refused.code, refused.stdout], [2, ""]);
    assertMatch(refused.stderr, /^quern: bench: --shape is MxN/);
  }
});

Deno.test("bench block runs whole transformer blocks without native allocations", async () => {
  const options = ["--shape", "7x48x3", "--iters", "2", "--threads", "1", "--json"];
  const { code, stdout, stderr } = await quern(["bench", "block", ...options]);
  assertEquals(code, 0, stderr);
  const rows: Record<string, unknown>[] = JSON.parse(stdout);
  assertEquals(rows.map(({ name, shape }) => [name, shape]), [
    ["block", "7x48x3"],
    ["block, causal", "7x48x3"],
  ]);
  for (const { gflops, medianNs, nativeAllocationsPerOp } of rows) {
    const flops = 24 * 7 * 48 ** 2 + 4 * 7 ** 2 * 48;
    assertAlmostEquals(Number(gflops), flops / Number(medianNs), 1e-9);
    assertEquals(nativeAllocationsPerOp, 0);
  }
  const refused = await quern(["bench", "block", "--shape", "7x48x5"]);
  assertEquals([refused.code, refused.stdout], [2, ""]);
  assertMatch(refused.stderr, /48 channels are not 5 equal heads/);
});

Deno.test("bench train runs whole steps of training without native allocations", async () => {
  const options = ["--shape", "2x24x3x7x2", "--iters", "2", "--threads", "1", "--json"];
  const { code, stdout, stderr } = await quern(["bench", "train", ...options]);
  assertEquals(code, 0, stderr);
  const rows: Record<string, unknown>[] = JSON.parse(stdout);
  assertEquals(rows.map(({ name, shape }) => [name, shape]), [
    ["gpt", "2x24x3x7x2"],
    ["llama", "2x24x3x7x2"],
  ]);
  // Tokens and norms; of a GPT positions and twelve squares a block, of a Llama four and a gate.
  const shared = (65 + 2 * 2 + 1) * 24;
  const weights = [shared + 7 * 24 + 2 * 12 * 24 ** 2, shared + 2 * (4 * 24 + 3 * 64) * 24];
  for (const [i, row] of rows.entries()) {
    for (const field of NUMBERS) assert(Number(row[field]) > 0, `${row.name}: ${field}`);
    const tokens = 7 * 2;
    const flops = tokens * (6 * weights[i] + 12 * 2 * 24 * 7);
    assertAlmostEquals(Number(row.gflops), flops / Number(row.medianNs), 1e-9);
    assertAlmostEquals(Number(row.itemsPerSecond), tokens * 1e9 / Number(row.medianNs), 1e-6);
    assert(Number(row.heapBytesPerOp) > 0);
    assertEquals(row.nativeAllocationsPerOp, 0);
  }
  const refused = await quern(["bench", "train", "--shape", "2x24x8x7x2"]);
  assertEquals([refused.code, refused.stdout], [2, ""]);
  assertMatch(refused.stderr, /24 channels are not 8 equal heads of an even size/);
});

Deno.test("bench pool takes no options of models, and models none of the pool", async () => {
  const model = await quern(["bench", "pool", "--model", "smollm2"]);
  assertEquals([model.code, model.stdout], [2, ""]);
  assertMatch(model.stderr, /^quern: bench: pool takes no --model\n$/);
  const workers = await quern(["bench", "decode", "--workers", "1"]);
  assertMatch(workers.stderr, /^quern: bench: decode takes no --workers\n$/);
});

Deno.test("bench gelu prints a row for each form, at the size that is asked for", async () => {
  const options = ["--size", "1000", "--iters", "2", "--threads", "2", "--json"];
  const { code, stdout, stderr } = await quern(["bench", "gelu", ...options]);
  assertEquals(code, 0, stderr);
  const rows: Record<string, unknown>[] = JSON.parse(stdout);
  const names = ["gelu", "gelu, tanh", "geglu", "geglu, tanh", "exp"];
  assertEquals(rows.map(({ name }) => name), names);
  for (const row of rows) {
    for (const field of [...NUMBERS, "gbPerSecond"]) assert(Number(row[field]) > 0, field);
    assertEquals([row.shape, row.threads, row.iterations], ["1000", 2, 2]);
    assertEquals(row.nativeAllocationsPerOp, 0);
  }
});

Deno.test("bench embed prints a row for each precision at each kind of texts, and of starting", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(
    file,
    "A mill.\n\nThe wheel of the mill turned all day long.\r\nGrain.\n",
  );
  try {
    const options = ["--texts", file, "--iters", "2", "--threads", "1", "--json"];
    const { code, stdout, stderr } = await quern(["bench", "embed", ...options]);
    assertEquals(code, 0, stderr);
    const rows: Record<string, unknown>[] = JSON.parse(stdout);
    const what = [
      ["mixed", "3 texts", 3],
      ["mixed, by length", "3 texts", 3],
      ["equal", "32x32 tokens", 32],
      ["one", "1x16 tokens", 1],
      ["import to first vector", "1 text", 1],
    ] as const;
    assertEquals(
      rows.map(({ name, shape, contender }) => [name, shape, contender]),
      what.flatMap(([name, shape]) =>
        ["exact", "fast"].map((precision) => [name, shape, `Quern, ${precision}`])
      ),
    );
    for (const [i, row] of rows.entries()) {
      for (const field of [...NUMBERS, "ratio"]) assert(Number(row[field]) > 0, field);
      assertEquals([row.threads, row.iterations], [1, 2]);
      const texts = what[i >> 1][2];
      assertAlmostEquals(Number(row.itemsPerSecond), texts * 1e9 / Number(row.medianNs), 1e-6);
      if (i % 2 === 0) assertEquals(row.ratio, 1);
    }
    await Deno.writeTextFile(file, "\n");
    const empty = await quern(["bench", "embed", "--texts", file]);
    assertEquals([empty.code, empty.stdout], [2, ""]);
    assertMatch(empty.stderr, /there is no text in it/);
  } finally {
    await Deno.remove(file);
  }
  const refused = await quern(["bench", "embed", "--peer"]);
  assertEquals([refused.code, refused.stdout], [2, ""]);
  assertMatch(refused.stderr, /--peer and --onnx go together/);
});
