/**
 * Small decoders whose weights are a formula of their names, and a text that is one too; what
 * PyTorch makes of them is in tests/data/decoders_reference.json; decoders_reference.py beside
 * it has the same formulas.
 */
import reference from "../data/decoders_reference.json" with { type: "json" };
import { Decoder, type DecoderOptions } from "../../lib/models/mod.ts";
import type { LayerDType } from "../../lib/nn/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** What there is to say of a gradient. */
export interface GradientFigures {
  /** The root of the sum of squares. */
  readonly norm: number;
  /** The sum of element i times cos(3 i + 1). */
  readonly sum: number;
  /** Element k of n is at `(2 k + 1) · size / (2 n)`, rounded down. */
  readonly elements: readonly number[];
}

/** What PyTorch makes of one decoder, in float64. */
export interface DecoderReference {
  /** Its options. */
  readonly sizes: DecoderOptions;
  /** The loss of the batch of {@linkcode maskedBatch}. */
  readonly loss: number;
  /** What that loss's gradients are like, by parameter. */
  readonly gradients: Readonly<Record<string, GradientFigures>>;
  /** The losses of a training on the batches of {@linkcode textBatches}. */
  readonly losses: readonly number[];
}

const { training, gpt, llama } = reference;

/** The settings of the trainings. */
export const trainingSettings = { ...training, betas: training.betas as [number, number] };

/** By name. */
export const decoderReferences = { gpt, llama } as unknown as Record<string, DecoderReference>;

/** A number of 16 bits that looks random. */
function mixed(i: number): number {
  let x = Math.imul(i + 1, 0x9e3779b1);
  x ^= x >>> 15;
  x = Math.imul(x, 0x85ebca6b);
  return (x ^ (x >>> 13)) >>> 16;
}

/** A decoder with the formula's weights: from -1/4 to 1/4, or around 1 for norms. */
export function formulaDecoder<D extends LayerDType>(
  { sizes }: DecoderReference,
  dtype: D,
): Decoder<D> {
  const decoder = new Decoder<D>({ ...sizes, dtype } as unknown as DecoderOptions<D>);
  for (const [name, tensor] of Object.entries(decoder.parameters())) {
    const base = name.includes("orm") ? 1 : 0;
    const seed = [...name].reduce((sum, c, i) => sum + (i + 1) * c.charCodeAt(0), 0);
    const data = (tensor as Tensor<"float64">).data;
    data.forEach((_, i) => data[i] = base + (mixed(1000 * seed + i) - 32768) / 131072);
  }
  return decoder;
}

/** Tokens of which three in four follow from the one before. */
export function formulaText(count: number, vocabulary: number): Int32Array {
  const ids = new Int32Array(count).fill(1);
  for (let i = 1; i < count; i++) {
    const isFree = mixed(2 * i) % 4 === 0;
    ids[i] = (isFree ? mixed(2 * i + 1) : 3 * ids[i - 1] + 5) % vocabulary;
  }
  return ids;
}

/** A batch, to be disposed of. */
export interface TextBatch extends Disposable {
  /** `[batch, tokens]`. */
  readonly ids: Tensor<"int32">;
  /** The token behind each, of the same shape. */
  readonly targets: Tensor<"int32">;
}

/** A batch of a text that is cut into rows of `width` tokens. */
function batchOf(text: Int32Array, width: number): TextBatch {
  using flat = Tensor.from(text, "int32");
  using rows = flat.reshape([text.length / width, width]);
  using before = rows.slice(0, -1, { axis: 1 });
  using behind = rows.slice(1, width, { axis: 1 });
  const [ids, targets] = [before.clone(), behind.clone()];
  return {
    ids,
    targets,
    [Symbol.dispose]() {
      ids.dispose();
      targets.dispose();
    },
  };
}

/** The batches of a training, one a step. */
export function* textBatches({ sizes }: DecoderReference): Generator<TextBatch> {
  const { batch, steps } = trainingSettings;
  const width = sizes.contextLength + 1;
  const ids = formulaText(steps * batch * width, sizes.vocabularySize);
  for (let at = 0; at < ids.length; at += batch * width) {
    using each = batchOf(ids.subarray(at, at + batch * width), width);
    yield each;
  }
}

/** The first batch, with three targets that do not count. */
export function maskedBatch({ sizes }: DecoderReference): TextBatch {
  const width = sizes.contextLength + 1;
  const ids = formulaText(trainingSettings.batch * width, sizes.vocabularySize);
  const batch = batchOf(ids, width);
  for (const token of [3, 4, 5]) batch.targets.data[sizes.contextLength + token] = -100;
  return batch;
}
