/**
 * Drawing the next token.
 */
import { withoutGradient } from "../autograd/mod.ts";
import { colsOf, formatShape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { areDense, checkApart, checkOperand, refuse, resultTensor, withDense } from "./operands.ts";

// A choice has no slope.
withoutGradient("sample");

/** How a token is drawn; the steps are taken in this order. */
export interface SampleOptions {
  /** Makes tokens of `history` less likely when above 1; 1 when left out. */
  repeatPenalty?: number;
  /** Divides the logits; 0, the default, takes the largest. */
  temperature?: number;
  /** How many of the likeliest tokens may be drawn; 0, the default, for all. */
  topK?: number;
  /** Keeps the smallest set of likeliest tokens that reaches this probability; 1 when left out. */
  topP?: number;
  /** Drops tokens less likely than this share of the likeliest; 0 when left out. */
  minP?: number;
  /** `[count]`, int32: tokens that came before, for the penalty. */
  history?: Tensor<"int32">;
  /** How many of `history` are in use; all when left out. */
  historyLength?: number;
  /** `[1]`, int32: where to write the token. */
  out?: Tensor<"int32">;
}

/**
 * Draws one index by its logit. The logits are not changed.
 *
 * @param logits `[vocabulary]` or `[1, vocabulary]`, float32.
 * @param uniform A number in [0, 1) that decides.
 * @param options What may be drawn.
 * @returns `[1]`, int32.
 * @throws {RangeError} When an option is out of range, or no logit is a number.
 *
 * @example
 * ```ts
 * import { sample, Tensor } from "@quern/quern";
 *
 * using logits = Tensor.from([0, 10, 0]);
 * using token = sample(logits, Math.random(), { temperature: 0.5, topK: 2 });
 * console.log(token.get(0));
 * ```
 */
export function sample(
  logits: Tensor<"float32">,
  uniform: number,
  options: SampleOptions = {},
): Tensor<"int32"> {
  const { repeatPenalty = 1, temperature = 0, topK = 0, topP = 1, minP = 0, history, out } =
    options;
  checkOperand("sample", "logits", logits, "float32");
  const cols = colsOf(logits.shape);
  if (logits.size !== cols) {
    throw new RangeError(`sample: logits ${formatShape(logits.shape)} are more than one row`);
  }
  if (!(uniform >= 0 && uniform < 1)) {
    throw new RangeError(`sample: uniform is a number from 0, below 1, not ${uniform}`);
  }
  checkSampleOptions(options);
  const historyLength = checkHistory(history, options.historyLength);
  if (!areDense(logits, history)) {
    return withDense([logits, history], sampleDense, uniform, options);
  }
  const y = resultTensor("sample", out, [1], "int32");
  checkApart("sample", out, "logits", logits);
  checkApart("sample", out, "history", history);
  const status = native().symbols.qn_sample_f32(
    y.address,
    logits.address,
    history?.address ?? 0n,
    cols,
    historyLength,
    temperature,
    topK,
    topP,
    minP,
    repeatPenalty,
    uniform,
  );
  if (status === Status.OK) return y;
  if (status !== Status.BAD_ARGUMENT) return refuse("sample", status, y, out, { logits, history });
  // All scalars were checked, so it is the logits that make no distribution.
  if (y !== out) y.dispose();
  throw new RangeError("sample: the largest logit is NaN or infinite, so no token can be drawn");
}

function sampleDense(
  logits: Tensor<"float32">,
  history: Tensor<"int32"> | undefined,
  uniform: number,
  options: SampleOptions,
): Tensor<"int32"> {
  return sample(logits, uniform, { ...options, history });
}

/** The scalars among the options. */
export type SampleScalars = Pick<
  SampleOptions,
  "temperature" | "topK" | "topP" | "minP" | "repeatPenalty"
>;

/**
 * Checks how a token is to be drawn, before there are logits.
 *
 * @param options What may be drawn.
 * @throws {RangeError} When an option is out of range.
 */
export function checkSampleOptions(options: SampleScalars): void {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repeatPenalty = 1 } = options;
  const range = (holds: boolean, name: string, words: string, value: number) => {
    if (!holds) throw new RangeError(`sample: ${name} is ${words}, not ${value}`);
  };
  range(temperature >= 0 && temperature < Infinity, "temperature", "a number from 0", temperature);
  const whole = Number.isInteger(topK) && topK >= 0 && topK < 2 ** 32;
  range(whole, "topK", "an integer from 0 to 2^32 - 1", topK);
  range(topP > 0 && topP <= 1, "topP", "a number above 0, up to 1", topP);
  range(minP >= 0 && minP < 1, "minP", "a number from 0, below 1", minP);
  const positive = repeatPenalty > 0 && repeatPenalty < Infinity;
  range(positive, "repeatPenalty", "a number above 0", repeatPenalty);
}

function checkHistory(history: Tensor | undefined, length: number | undefined): number {
  if (history === undefined) return 0;
  checkOperand("sample", "history", history, "int32");
  const used = length ?? history.size;
  if (!Number.isInteger(used) || used < 0 || used > history.size) {
    throw new RangeError(
      `sample: historyLength is an integer from 0 to ${history.size}, not ${used}`,
    );
  }
  return used;
}
