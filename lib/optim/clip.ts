/**
 * Clipping of gradients by their norm (Pascanu, Mikolov and Bengio, 2013).
 */
import type { Floating } from "../core/dtype.ts";
import { unrecorded } from "../autograd/mod.ts";
import { norm, scaleInPlace } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { checkSetting, namedEntries, type Parameters } from "./optimizer.ts";

/**
 * Shortens the gradients of parameters, all by the same factor, where their norm together
 * is larger than a bound.
 *
 * @param parameters By name, or a list.
 * @param bound The largest norm that is left as it is.
 * @returns The norm before; where it is infinite or NaN, nothing was changed.
 * @throws {RangeError} When the bound is no number of 0 or more.
 *
 * @example
 * ```ts
 * import { sum, Tensor } from "@quern/quern";
 * import { clipGradNorm } from "@quern/quern/optim";
 *
 * using x = Tensor.zeros([4]);
 * x.requiresGrad = true;
 * using loss = sum(x);
 * loss.backward();
 * console.log(clipGradNorm([x], 1), x.grad?.toArray()); // 2 [0.5, 0.5, 0.5, 0.5]
 * ```
 */
export function clipGradNorm(parameters: Parameters, bound: number): number {
  checkSetting("clipGradNorm", "the bound", bound);
  const gradients = new Set(namedEntries(parameters).map(([, { grad }]) => grad));
  gradients.delete(undefined);
  return unrecorded(() => clip([...gradients] as Tensor<Floating>[], bound));
}

function clip(gradients: readonly Tensor<Floating>[], bound: number): number {
  const norms = gradients.map((gradient) => {
    using length = norm(gradient);
    return length.get();
  });
  const total = Math.hypot(...norms);
  if (total > bound && Number.isFinite(total)) {
    for (const gradient of gradients) scaleInPlace(gradient, bound / total);
  }
  return total;
}
