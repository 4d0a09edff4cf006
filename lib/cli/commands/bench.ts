/**
 * `quern bench`: how fast this machine is.
 *
 * @module
 */

import { type Command, SHARED_OPTIONS } from "../command.ts";
import { measureSpeed } from "../bench/model_speed.ts";
import { startPeer } from "../bench/peer.ts";
import { type BenchRow, rowsTable } from "../bench/rows.ts";
import { UsageError } from "../errors.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { loadWithProgress, resolveWithProgress, writeFileWhole } from "../model_file.ts";
import { prepareNative } from "../native_library.ts";
import { nearest, type ParsedOptions } from "../options.ts";
import { writeJson, writeLog, writeOut } from "../output.ts";
import { precisionOf } from "../precision.ts";
import { threads } from "../../ffi/mod.ts";

const WHATS = ["decode", "prefill"] as const;

/** The command. */
export const command: Command = {
  name: "bench",
  summary: "measure how fast a model generates (decode) or reads a prompt (prefill)",
  usage: "decode|prefill [--model MODEL] [options]",
  positionals: { min: 1, max: 1 },
  options: {
    model: { ...SHARED_OPTIONS.model, help: `${SHARED_OPTIONS.model.help} (smollm2)` },
    size: {
      type: "integer",
      value: "N",
      min: 1,
      max: 1_000_000,
      help: "tokens to generate, or tokens of the prompt (128)",
    },
    warmup: { type: "integer", value: "N", min: 0, max: 1000, help: "runs before timing (1)" },
    iters: { type: "integer", value: "N", min: 1, max: 10_000, help: "timed runs (5)" },
    precision: SHARED_OPTIONS.precision,
    peer: {
      type: "flag",
      help: "also measure llama.cpp, in alternation (needs Node.js; npm fetches it once)",
    },
    markdown: { type: "text", value: "FILE", help: "also write the table to a file, in Markdown" },
    json: { type: "flag", help: "print an array of JSON objects" },
  },
  notes: [
    "Times are medians: of one generated token for decode, of a whole prompt for prefill. The\n" +
    "last column with --peer is the speed over the peer's.",
  ],
  examples: [
    "quern bench decode --threads 2",
    "quern bench prefill --model smollm2 --size 512 --peer --markdown prefill.md",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const what = whatOf(options.positionals[0]);
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
    warmup: options.number("warmup") ?? 1,
    iters: options.number("iters") ?? 5,
    precision: precisionOf(options),
    signal,
  };
  const rows = await measureSpeed(model, plan, peer);
  await report(rows, options);
}

async function report(rows: BenchRow[], options: ParsedOptions): Promise<void> {
  const file = options.text("markdown");
  if (file !== undefined) {
    await writeFileWhole(file, new TextEncoder().encode(`${rowsTable(rows, "markdown")}\n`));
  }
  if (options.flag("json")) return writeJson(rows);
  writeOut(`${rowsTable(rows, "text")}\n`);
  for (const row of rows) {
    if (row.heapBytesPerOp === null) continue;
    writeLog(
      `${row.name}: ${row.nativeAllocationsPerOp} native allocations and ` +
        `${row.heapBytesPerOp.toFixed(0)} heap bytes an operation, ` +
        `${row.garbageCollections} collections`,
    );
  }
}

function whatOf(name: string): (typeof WHATS)[number] {
  const found = WHATS.find((what) => what === name);
  if (found !== undefined) return found;
  const near = nearest(name, WHATS);
  const hint = near === undefined ? `there are ${WHATS.join(" and ")}` : `did you mean ${near}?`;
  throw new UsageError(`there is no benchmark ${JSON.stringify(name)}; ${hint}`);
}
