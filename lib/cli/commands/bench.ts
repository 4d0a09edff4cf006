/**
 * `quern bench`: how fast this machine is.
 *
 * @module
 */

import { type Command, SHARED_OPTIONS } from "../command.ts";
import { embedCases, makeTexts } from "../bench/embed_cases.ts";
import { ourContenders, peerContenders } from "../bench/embed_contenders.ts";
import { embedTable, measureEmbedding } from "../bench/embed_bench.ts";
import { FAMILIES } from "../bench/families.ts";
import { measureSpeed } from "../bench/model_speed.ts";
import { measureOperations, operationTable } from "../bench/operation_bench.ts";
import { chooseShapes, type OperationFamily } from "../bench/operation_family.ts";
import { startPeer } from "../bench/peer.ts";
import { measurePool } from "../bench/pool_bench.ts";
import { poolTable } from "../bench/pool_table.ts";
import { type BenchRow, rowsTable } from "../bench/rows.ts";
import { UsageError } from "../errors.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { loadWithProgress, resolveWithProgress, writeFileWhole } from "../model_file.ts";
import { prepareNative } from "../native_library.ts";
import { nearest, type ParsedOptions } from "../options.ts";
import { writeJson, writeLog, writeOut } from "../output.ts";
import { precisionOf } from "../precision.ts";
import { threads } from "../../ffi/mod.ts";

/** What can be measured, and the options that only some take. */
const WHATS: Readonly<Record<string, { readonly only: readonly string[]; run: typeof run }>> = {
  decode: { only: ["model", "precision"], run: (options) => runModel("decode", options) },
  prefill: { only: ["model", "precision"], run: (options) => runModel("prefill", options) },
  embed: { only: ["model", "texts", "onnx", "python"], run: runEmbed },
  pool: { only: ["workers"], run: runPool },
  ...Object.fromEntries(
    Object.entries(FAMILIES).map(([name, family]) => [
      name,
      { only: ["shape"], run: (options: ParsedOptions) => runOperations(family, options) },
    ]),
  ),
};

/** float32 elements: 256 B, 16 KiB, 256 KiB and 4 MiB. */
const POOL_LENGTHS = [64, 4096, 65_536, 1_048_576] as const;
/** Workers at once. */
const POOL_WORKERS = [1, 2, 4] as const;

/** The command. */
export const command: Command = {
  name: "bench",
  summary:
    "measure how fast a model generates (decode), reads (prefill) or embeds, the pool, or operations",
  usage: `decode|prefill|embed|pool|${Object.keys(FAMILIES).join("|")} [options]`,
  positionals: { min: 1, max: 1 },
  options: {
    model: {
      ...SHARED_OPTIONS.model,
      help: `${SHARED_OPTIONS.model.help} (smollm2; embed: minilm)`,
    },
    size: {
      type: "integer",
      value: "N",
      min: 1,
      max: 1 << 24,
      help:
        "tokens to generate, or of the prompt (128); texts (1000); elements of a block or a tensor; " +
        "channels of what is trained",
    },
    shape: {
      type: "text",
      value: "MxNxK",
      help: "sizes of an operation: " +
        Object.entries(FAMILIES).map(([name, { form }]) => `${name} ${form}`).join(", "),
    },
    warmup: {
      type: "integer",
      value: "N",
      min: 0,
      max: 1000,
      help: "runs before timing (1; others: 3)",
    },
    iters: {
      type: "integer",
      value: "N",
      min: 1,
      max: 10_000,
      help: "timed runs (5; others: 15)",
    },
    workers: {
      type: "integer",
      value: "N",
      min: 0,
      max: 64,
      help: "pool: the workers at once, 0 for none (1, 2 and 4 in turn)",
    },
    texts: { type: "text", value: "FILE", help: "embed: one text a line (made from words)" },
    onnx: { type: "text", value: "FILE", help: "embed: the model's export, for peers" },
    python: {
      type: "text",
      value: "FILE",
      help: "embed: an interpreter with onnxruntime and tokenizers, for peers (pip installs them)",
    },
    precision: SHARED_OPTIONS.precision,
    peer: {
      type: "flag",
      help:
        "also measure others, in alternation: llama.cpp; Transformers.js and onnxruntime; malloc and " +
        "numpy-ts (npm and pip fetch them)",
    },
    markdown: { type: "text", value: "FILE", help: "also write the table to a file, in Markdown" },
    json: { type: "flag", help: "print an array of JSON objects" },
  },
  notes: [
    "Times are medians: of one generated token for decode, of a whole prompt for prefill, of one\n" +
    "block taken and given back for pool. The last column with --peer is the speed over the peer's.\n" +
    "With several isolates at once, pool's times are one's, and M/s are millions a second of all.",
  ],
  examples: [
    "quern bench decode --threads 2",
    "quern bench prefill --model smollm2 --size 512 --peer --markdown prefill.md",
    "quern bench pool --size 4096 --workers 2",
    "quern bench embed --texts sentences.txt --peer --onnx model.onnx",
    "quern bench matmul --shape 128x3072x768 --threads 1",
    "quern bench train --shape 4x128x4x64x12",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const name = options.positionals[0];
  const what = Object.hasOwn(WHATS, name) ? WHATS[name] : undefined;
  if (what === undefined) throw unknownWhat(name);
  const others = Object.values(WHATS).flatMap(({ only }) => only);
  for (const option of others) {
    const given = options.text(option) ?? options.number(option);
    if (given === undefined || what.only.includes(option)) continue;
    throw new UsageError(`${name} takes no --${option}`);
  }
  await what.run(options);
}

async function runModel(what: "decode" | "prefill", options: ParsedOptions): Promise<void> {
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  await prepareNative(options, signal);
  const source = options.text("model") ?? "smollm2";
  const path = await resolveWithProgress(source, signal);
  using model = await loadWithProgress(path, signal);
  await using peer = options.flag("peer") ? await startPeer(path, threads(), signal) : undefined;
  const plan = {
    what,
    size: options.number("size") ?? 128,
    // The second run finds what the first left on shelves and in native scratch.
    warmup: options.number("warmup") ?? 2,
    iters: options.number("iters") ?? 5,
    precision: precisionOf(options),
    signal,
  };
  const rows = await measureSpeed(model, plan, peer);
  await report(rows, rowsTable, options);
  if (!options.flag("json")) logInside(rows);
}

async function runEmbed(options: ParsedOptions): Promise<void> {
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  const onnx = options.text("onnx");
  if (options.flag("peer") !== (onnx !== undefined)) {
    throw new UsageError("embed: --peer and --onnx go together");
  }
  await prepareNative(options, signal);
  const model = await resolveWithProgress(options.text("model") ?? "minilm", signal);
  const file = options.text("texts");
  const texts = file === undefined
    ? makeTexts(options.number("size") ?? 1000)
    : (await readTexts(file)).slice(0, options.number("size"));
  const folder = await Deno.makeTempDir({ prefix: "quern-bench-" });
  try {
    const contenders = ourContenders(model);
    if (onnx !== undefined) {
      const python = options.text("python");
      contenders.push(...await peerContenders({ model, onnx, folder, python, signal }));
    }
    const rows = await measureEmbedding(contenders, embedCases(texts), {
      iters: options.number("iters") ?? 5,
      signal,
      onProgress: (line) => writeLog(`measuring embeddings: ${line}`),
    });
    await report(rows, embedTable, options);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function readTexts(file: string): Promise<string[]> {
  const text = await Deno.readTextFile(file);
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  if (lines.length === 0) throw new UsageError(`--texts ${file}: there is no text in it`);
  return lines;
}

async function runPool(options: ParsedOptions): Promise<void> {
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  await prepareNative(options, signal);
  const size = options.number("size");
  const workers = options.number("workers");
  const rows = await measurePool({
    lengths: size === undefined ? POOL_LENGTHS : [size],
    warmup: options.number("warmup") ?? 3,
    iters: options.number("iters") ?? 15,
    workers: workers === undefined ? POOL_WORKERS : workers === 0 ? [] : [workers],
    peer: options.flag("peer"),
    signal,
    onProgress: (line) => writeLog(`measuring the pool: ${line}`),
  });
  await report(rows, poolTable, options);
}

async function runOperations(family: OperationFamily, options: ParsedOptions): Promise<void> {
  if (options.flag("peer")) throw new UsageError(`${options.positionals[0]} takes no --peer`);
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  const shapes = chooseShapes(family, options.text("shape"), options.number("size"));
  await prepareNative(options, signal);
  using cases = new DisposableStack();
  const plan = {
    warmup: options.number("warmup") ?? 3,
    iters: options.number("iters") ?? 15,
    signal,
  };
  const opened = shapes.flatMap(family.open).map((one) => cases.use(one));
  await report(await measureOperations(opened, plan), operationTable, options);
}

/** Prints rows, and writes them to a file where one is named. */
async function report<Row>(
  rows: Row[],
  table: (rows: readonly Row[], form: "text" | "markdown") => string,
  options: ParsedOptions,
): Promise<void> {
  const file = options.text("markdown");
  if (file !== undefined) {
    await writeFileWhole(file, new TextEncoder().encode(`${table(rows, "markdown")}\n`));
  }
  if (options.flag("json")) return writeJson(rows);
  writeOut(`${table(rows, "text")}\n`);
}

function logInside(rows: readonly BenchRow[]): void {
  for (const row of rows) {
    if (row.heapBytesPerOp === null) continue;
    writeLog(
      `${row.name}: ${row.nativeAllocationsPerOp} native allocations and ` +
        `${row.heapBytesPerOp.toFixed(0)} heap bytes an operation, ` +
        `${row.garbageCollections} collections`,
    );
  }
}

function unknownWhat(name: string): UsageError {
  const names = Object.keys(WHATS);
  const near = nearest(name, names);
  const hint = near === undefined ? `there are ${names.join(", ")}` : `did you mean ${near}?`;
  return new UsageError(`there is no benchmark ${JSON.stringify(name)}; ${hint}`);
}
