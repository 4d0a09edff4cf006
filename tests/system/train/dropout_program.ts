/**
 * A training of a decoder with dropout, a schedule and clipping that goes on from where it was
 * killed, for `checkpoints_system.ts`. Prints a line a step.
 *
 *     deno run -A dropout_program.ts folder steps
 */
import { Decoder } from "../../../lib/models/mod.ts";
import { AdamW, cosineSchedule } from "../../../lib/optim/mod.ts";
import { type TokenBatch, TokenWindows, train } from "../../../lib/train/mod.ts";
import { formulaText } from "../../support/formula_decoder.ts";

const [folder, count] = Deno.args;
const steps = Number(count);
const sizes = { vocabularySize: 31, dim: 32, layers: 2, heads: 4, contextLength: 16 };
using model = new Decoder({ ...sizes, dropout: 0.1, seed: 1 });
using optimizer = new AdamW(model.parameters());
await train<TokenBatch>({
  parameters: model.parameters(),
  optimizer,
  data: new TokenWindows(formulaText(2000, 31), { length: 16, batch: 4, seed: 3 }),
  loss: ({ ids, targets }) => model.loss(ids, targets),
  steps,
  schedule: cosineSchedule({ peak: 0.01, steps, warmup: 10 }),
  clip: 0.5,
  accumulate: 2,
  seed: 2,
  checkpoint: { folder, every: 3, resume: true, state: model.state() },
  onProgress: ({ problem }) => {
    if (problem === undefined) Deno.stdout.writeSync(new Uint8Array([0x0a]));
  },
});
