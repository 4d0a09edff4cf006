/**
 * A training step as a case of `bench:peers`, on numbers that `torch_peer.py` makes too.
 *
 * Weights, in the order of operands: the tables of tokens and positions; then of each block
 * query, key, value, output, up and down. They are spread evenly, of deviation 0.02; norms begin
 * at 1. Ids are operand {@linkcode IDS} and targets operand {@linkcode TARGETS}, spread evenly
 * over the vocabulary. Two steps are taken before the first that is compared, so that its loss
 * tells of gradients and updates too.
 *
 * A training takes thousands of steps, in the first hundreds of which V8 still compiles what is
 * around the kernels: 10 ms a step at first, 1 ms later. A model of almost no size takes such
 * steps before, so that what is measured is what most of a training consists of.
 *
 * @module
 */

import { Decoder } from "../../lib/models/decoder.ts";
import { noGrad, Tensor } from "../../mod.ts";
import { AdamW } from "../../optim.ts";
import { fill, type Prepared } from "./worker.mjs";

const IDS = 1001;
const TARGETS = 1002;
const DEVIATION = 0.02;
const STEPS_BEFORE = 2;
const STEPS_TO_COMPILE = 1000;

/** A GPT with an optimiser, and its step. */
export function prepareTraining(shape: readonly number[]): Prepared {
  const small = startTraining([shape[0], 8 * shape[2], shape[2], 2, 1, shape[5]]);
  for (let i = 0; i < STEPS_TO_COMPILE; i++) small.run();
  small.close();
  const training = startTraining(shape);
  for (let i = 0; i < STEPS_BEFORE; i++) training.run();
  return training;
}

function startTraining(shape: readonly number[]): Prepared {
  const [layers, dim, heads, tokens, batch, vocabularySize] = shape;
  const model = new Decoder({
    ...{ layers, dim, heads, vocabularySize, contextLength: tokens },
    ...{ positions: "learned", normalization: "layer", activation: "gelu" },
  });
  noGrad(() => fillWeights(model));
  const settings = { learningRate: 1e-3, betas: [0.9, 0.99], weightDecay: 0.1 } as const;
  const optimizer = new AdamW(model.parameters(), settings);
  const ids = someIds([batch, tokens], vocabularySize, IDS);
  const targets = someIds([batch, tokens], vocabularySize, TARGETS);
  let last = NaN;
  const run = () => {
    using loss = model.loss(ids, targets);
    loss.backward();
    optimizer.step();
    last = loss.get();
  };
  const all = [model, optimizer, ids, targets];
  return { run, result: () => [last], close: () => all.forEach((one) => one.dispose()) };
}

function fillWeights(model: Decoder): void {
  const { tokens, positions, blocks } = model;
  const layers = blocks.flatMap((
    { attention: { query, key, value, output }, mlp: { up, down } },
  ) => [query, key, value, output, up, down]);
  [tokens, positions!, ...layers].forEach(({ weight }, index) => {
    using values = Tensor.from(fill(weight.size, index + 1, DEVIATION * Math.sqrt(3)));
    using shaped = values.reshape(weight.shape);
    weight.copyFrom(shaped);
  });
}

function someIds(shape: number[], vocabulary: number, seed: number): Tensor<"int32"> {
  const values = fill(shape[0] * shape[1], seed);
  const ids = Array.from(values, (value) => Math.floor((value + 1) / 2 * vocabulary));
  using flat = Tensor.from(ids, "int32");
  return flat.reshape(shape);
}
