import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { quern } from "./run_command.ts";

/** What every row has, by the command's promise. */
const NUMBERS = ["threads", "iterations", "medianNs", "minNs", "itemsPerSecond"] as const;

/** Names of the rows for one isolate. */
const NAMES = [
  "acquire",
  "rent",
  "rent using",
  "rent, 64 held",
  "batch raw of 64",
  "batch of 64",
  "batch using of 64",
  "tensor",
  "tensor using",
  "tensor, 64 held",
  "workspace",
  "new Float32Array",
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
  assertAlmostEquals(Number(find("acquire").heapBytesPerOp), 0, 0.01);
  assertEquals([find("acquire").nativeAllocationsPerOp, find("rent").nativeAllocationsPerOp], [
    0,
    0,
  ]);
  assertEquals(find("acquire").garbageCollections, 0);
  assert(Number(find("acquire").countedOperations) >= 1_000_000);
  assert(Number(find("rent, 64 held").heapBytesPerOp) <= 66, "the size of a safe handle");
  assertAlmostEquals(Number(find("workspace").heapBytesPerOp), 0, 0.1);
  assertEquals(find("new Float32Array").nativeAllocationsPerOp, null);
});

Deno.test("bench pool takes no options of models, and models none of the pool", async () => {
  const model = await quern(["bench", "pool", "--model", "smollm2"]);
  assertEquals([model.code, model.stdout], [2, ""]);
  assertMatch(model.stderr, /^quern: bench: pool takes no --model\n$/);
  const workers = await quern(["bench", "decode", "--workers", "1"]);
  assertMatch(workers.stderr, /^quern: bench: decode takes no --workers\n$/);
});
