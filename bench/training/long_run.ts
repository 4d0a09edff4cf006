/**
 * A training of very many steps, whose memory must not grow: AdamW, clipping, dropout and a
 * schedule, through `train()`.
 *
 *     deno run -A bench/training/long_run.ts [STEPS]
 *
 * Prints a row for each twentieth of the steps, after a collection of garbage: what is resident,
 * what V8 holds, and what the pool has out and had to ask the system for. The tests in
 * `tests/system/train/long_run_system.ts` hold a shorter one to bounds.
 */
import { collectGarbage } from "../../lib/cli/garbage.ts";
import { nativeAllocations } from "../../lib/cli/generation_run.ts";
import { formatTable, writeOut } from "../../lib/cli/output.ts";
import { formatBytes } from "../../lib/core/sizes.ts";
import { pool } from "../../lib/memory/mod.ts";
import { Decoder } from "../../lib/models/mod.ts";
import { AdamW, cosineSchedule } from "../../lib/optim/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { train } from "../../lib/train/mod.ts";
import { formulaText } from "../../tests/support/formula_decoder.ts";

/** What a process holds after a number of steps. */
export interface Sample {
  readonly step: number;
  /** Bytes that are resident. */
  readonly resident: number;
  /** Bytes of JavaScript objects. */
  readonly heapUsed: number;
  /** Bytes behind array buffers. */
  readonly external: number;
  /** Blocks of the pool that are in use, and their bytes. */
  readonly outstanding: number;
  readonly liveBytes: number;
  /** How often native memory was asked for, from the beginning on. */
  readonly nativeAllocations: number;
}

const SIZES = { vocabularySize: 65, dim: 32, layers: 2, heads: 4, contextLength: 16 };
const BATCH = 4;

/** Sequences of a text, over and over. */
function makeBatches(count: number): { ids: Tensor<"int32">; targets: Tensor<"int32"> }[] {
  const { contextLength: tokens, vocabularySize } = SIZES;
  const text = formulaText(count * BATCH * tokens + 1, vocabularySize);
  return Array.from({ length: count }, (_, i) => {
    const at = i * BATCH * tokens;
    const of = (from: number) => {
      using flat = Tensor.from(text.slice(from, from + BATCH * tokens), "int32");
      return flat.reshape([BATCH, tokens]);
    };
    return { ids: of(at), targets: of(at + 1) };
  });
}

function sampleOf(step: number): Sample {
  // What V8 has not collected yet comes and goes by tens of mebibytes.
  collectGarbage();
  const { rss, heapUsed, external } = Deno.memoryUsage();
  const { outstanding, liveBytes } = pool.stats();
  const counts = { outstanding, liveBytes, nativeAllocations: nativeAllocations() };
  return { step, resident: rss, heapUsed, external, ...counts };
}

/**
 * Trains a small decoder.
 *
 * @param steps How many steps.
 * @param every After how many of them a sample is taken.
 * @returns The samples, and the loss of each step.
 */
export async function longRun(
  steps: number,
  every: number,
): Promise<{ samples: Sample[]; losses: number[] }> {
  using model = new Decoder({ ...SIZES, dropout: 0.1, seed: 1 });
  using optimizer = new AdamW(model.parameters());
  const batches = makeBatches(50);
  const samples: Sample[] = [];
  const { history } = await train({
    parameters: model.parameters(),
    optimizer,
    data: batches,
    loss: ({ ids, targets }) => model.loss(ids, targets),
    steps,
    clip: 1,
    schedule: cosineSchedule({ peak: 1e-3, steps, warmup: steps / 20 }),
    seed: 2,
    onProgress: ({ completed }) => {
      if (completed % every === 0 && completed !== samples.at(-1)?.step) {
        samples.push(sampleOf(completed));
      }
    },
  });
  for (const { ids, targets } of batches) {
    ids.dispose();
    targets.dispose();
  }
  return { samples, losses: history.map(({ loss }) => loss) };
}

const HEAD = ["step", "loss", "resident", "heap", "buffers", "blocks", "live", "native"];

if (import.meta.main) {
  const steps = Number(Deno.args[0] ?? 10_000);
  const { samples, losses } = await longRun(steps, Math.ceil(steps / 20));
  const rows = samples.map((each) => [
    `${each.step}`,
    losses[each.step - 1].toFixed(3),
    ...[each.resident, each.heapUsed, each.external].map((bytes) => formatBytes(bytes)),
    `${each.outstanding}`,
    formatBytes(each.liveBytes),
    `${each.nativeAllocations}`,
  ]);
  writeOut(`${formatTable([HEAD, ...rows], new Set(HEAD.keys()))}\n`);
  // The first fifth warms up: V8 compiles, and the pool gets its blocks.
  const growth = samples.at(-1)!.resident - samples[Math.min(3, samples.length - 1)].resident;
  writeOut(`after the first fifth resident memory grew by ${(growth / 2 ** 20).toFixed(2)} MiB\n`);
}
