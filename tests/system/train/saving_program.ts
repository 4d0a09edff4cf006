/**
 * A training that saves a checkpoint after every step until it is killed, for
 * `checkpoints_system.ts`. After n steps every element of the weight is -n.
 *
 *     deno run -A saving_program.ts folder elements
 */
import { sum } from "../../../lib/ops/mod.ts";
import { SGD } from "../../../lib/optim/mod.ts";
import { Tensor } from "../../../lib/tensor/mod.ts";
import { train } from "../../../lib/train/mod.ts";

const [folder, elements] = Deno.args;
using weight = Tensor.zeros([Number(elements)]);
using optimizer = new SGD({ weight }, { learningRate: 1, momentum: 0 });
await train({
  parameters: { weight },
  optimizer,
  data: [0],
  loss: () => sum(weight),
  steps: 1e9,
  checkpoint: { folder, every: 1, resume: true },
  onProgress: ({ problem }) => {
    if (problem?.includes("not written")) throw new Error(problem);
    if (problem === undefined) Deno.stdout.writeSync(new Uint8Array([0x0a]));
  },
});
