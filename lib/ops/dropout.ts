/**
 * Elements left out at random (Srivastava et al., 2014): which ones, the bits of the native
 * generator say.
 */
import { differentiable, isTracked, record, unrecorded } from "../autograd/mod.ts";
import type { Floating } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { fillChoices, Tensor } from "../tensor/mod.ts";
import { scaleInPlace } from "./in_place.ts";
import { checkFloating, checkInPlace, type ResultOption, resultTensor } from "./operands.ts";
import { where } from "./where.ts";

/** Options of {@linkcode dropout}. */
export interface DropoutOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** An integer from 0 to 2^53 - 1, which decides what is left out; drawn when left out. */
  seed?: number;
}

/** What is 1 over the part that stays. */
type Scale = number;

const dropoutGradient = differentiable<Scale>({
  operation: "dropout",
  saves: ["the mask"],
  backward(gradient, [mask], { extra: scale }) {
    return [masked(gradient as Tensor<Floating>, mask as Tensor<"bool">, scale)];
  },
});

/**
 * Leaves elements out with a given probability, and divides those that stay by the
 * probability that they do, so that the expected sum is that of `x`. An element that is left
 * out is 0, whatever it was. The choice depends on the seed and the element's index alone.
 *
 * @param x Any shape and floating-point dtype.
 * @param rate The probability, from 0 to 1, that an element is left out.
 * @param options `seed`; `out` may be `x`.
 * @returns The same shape and dtype.
 * @throws {RangeError} When the rate is not from 0 to 1, or the seed is no such integer.
 *
 * @example
 * ```ts
 * import { dropout, Tensor } from "@quern/quern";
 *
 * using x = Tensor.ones([8]);
 * using y = dropout(x, 0.5, { seed: 1 });
 * console.log(y.toArray()); // zeros and twos
 * ```
 */
export function dropout<D extends Floating>(
  x: Tensor<D>,
  rate: number,
  options: DropoutOptions<D> = {},
): Tensor<D> {
  checkFloating("dropout", "x", x);
  const { out, seed } = options;
  if (!(rate >= 0 && rate <= 1)) {
    throw new RangeError(`dropout: rate is ${rate}, expected a number from 0 to 1`);
  }
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0)) {
    throw new RangeError(`dropout: seed is ${seed}, expected an integer from 0 to 2^53 - 1`);
  }
  const { shape, dtype } = x;
  const tracked = isTracked(x);
  const scale = rate === 1 ? 0 : 1 / (1 - rate);
  using mask = unrecorded(maskOf, shape, rate, seed);
  const y = resultTensor<D>("dropout", out, shape, dtype);
  checkInPlace("dropout", out, "x", x);
  try {
    unrecorded(masked<D>, x, mask, scale, y);
  } catch (error) {
    if (y !== out) y.dispose();
    throw error;
  }
  return tracked ? record(y, dropoutGradient, [x], { saved: [mask], extra: scale }) : y;
}

/** True where an element stays. */
function maskOf(shape: Shape, rate: number, seed: number | undefined): Tensor<"bool"> {
  return fillChoices(Tensor.empty(shape, "bool"), 1 - rate, seed);
}

function masked<D extends Floating>(
  x: Tensor<D>,
  mask: Tensor<"bool">,
  scale: Scale,
  out?: Tensor<D>,
): Tensor<D> {
  using zero = Tensor.zeros([], x.dtype);
  const y = where(mask, x, zero as Tensor<D>, { out });
  if (scale !== 1) scaleInPlace(y as Tensor<Floating>, scale);
  return y;
}
