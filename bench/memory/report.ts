/**
 * Runs the programs of this folder and shows what they allocate, as a table in Markdown:
 *
 *     deno run -A bench/memory/report.ts
 *
 * The tests in `tests/system/memory/programs_system.ts` hold the same programs to bounds.
 */
import { formatBytes } from "../../lib/core/sizes.ts";
import { markdownTable } from "../../lib/cli/output.ts";
import { pool } from "../../lib/memory/mod.ts";
import { smallModel } from "../../tests/support/small_model.ts";
import { AttentionPasses } from "./attention_passes.ts";
import { countProgram, type Counts, saving, totalBytes } from "./counting.ts";
import { freshArrayChain, freshTensorChain, inPlaceChain } from "./in_place_chain.ts";
import { runSession } from "./inference_session.ts";
import { freshArrays, rawBlocks, safeBuffers, tensors } from "./rented_tensors.ts";
import { freshWindows, pooledWindows } from "./window_preprocessing.ts";

const HEAD = ["program", "bytes", "saved", "collections", "rents", "misses", "outstanding"];
const NUMERIC: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6]);

/** A counted program; the saving is against another that does the same. */
interface Line {
  readonly name: string;
  readonly counts: Counts;
  readonly against?: Counts;
}

async function rentedTensors(): Promise<Line[]> {
  const against = await countProgram(freshArrays);
  return [
    { name: "1,000 × `new Float32Array(512)`", counts: against },
    { name: "… `acquire` and `release`", counts: await countProgram(rawBlocks), against },
    { name: "… `rent` and `dispose`", counts: await countProgram(safeBuffers), against },
    { name: "… tensors", counts: await countProgram(tensors), against },
  ];
}

async function inPlace(): Promise<Line[]> {
  using arrays = freshArrayChain();
  using fresh = freshTensorChain();
  using chain = inPlaceChain();
  const against = await countProgram(arrays.run);
  return [
    { name: "1,000 operations, fresh arrays", counts: against },
    { name: "… fresh tensors", counts: await countProgram(fresh.run), against },
    { name: "… in place", counts: await countProgram(chain.run), against },
  ];
}

async function attention(): Promise<Line[]> {
  using layer = new AttentionPasses();
  return [{
    name: "100 attention passes, 64 × 256",
    counts: await countProgram(() => layer.run()),
  }];
}

async function inference(): Promise<Line[]> {
  using model = smallModel();
  const counts = await countProgram(async () => void await runSession(model));
  return [{ name: "a session, two prompts, 48 tokens", counts }];
}

async function windows(): Promise<Line[]> {
  const series = Float32Array.from({ length: 2000 }, (_, i) => Math.sin(i / 10));
  const plan = { length: 96, horizon: 24, stride: 1 };
  const use = () => {};
  const against = await countProgram((hold) => void freshWindows(series, plan, use, hold));
  return [
    { name: "1,881 windows of 96 + 24, fresh arrays", counts: against },
    {
      name: "… buffers of the pool",
      counts: await countProgram(() => void pooledWindows(series, plan, use)),
      against,
    },
  ];
}

function cells({ name, counts, against }: Line, outstanding: number): string[] {
  return [
    name,
    formatBytes(totalBytes(counts)),
    against === undefined ? "" : `${(saving(counts, against) * 100).toFixed(2)} %`,
    `${counts.collections}`,
    `${counts.rents}`,
    `${counts.misses}`,
    `${outstanding}`,
  ];
}

if (import.meta.main) {
  const rows = [HEAD];
  for (const program of [rentedTensors, inPlace, attention, inference, windows]) {
    const before = pool.stats().outstanding;
    const lines = await program();
    const outstanding = pool.stats().outstanding - before;
    rows.push(...lines.map((line) => cells(line, outstanding)));
  }
  console.log(markdownTable(rows, NUMERIC));
}
