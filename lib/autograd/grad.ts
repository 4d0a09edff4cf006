/**
 * Gradients of functions, for those who would rather not deal with leaves.
 */
import { isFloating } from "../core/dtype.ts";
import { scope } from "../memory/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { recorded } from "./mode.ts";

/** A function of tensors whose result is one number. */
export type ScalarFunction<A extends Tensor[]> = (...inputs: A) => Tensor;

/** A function's value, and its gradients. */
export interface ValueAndGradients extends Disposable {
  /** What the function returned. */
  readonly value: Tensor;
  /** One for each argument, in its shape and dtype; zeros where the value does not depend on it. */
  readonly gradients: readonly Tensor[];
}

/**
 * The function that computes another's gradient with respect to each of its arguments.
 *
 * @param fn Made of operations on tensors; its result has one element. What it makes and does
 * not return is disposed of.
 * @returns A function of the same arguments, giving one gradient for each.
 *
 * @example
 * ```ts
 * import { grad, mul, sum, Tensor } from "@quern/quern";
 *
 * const slope = grad((x: Tensor<"float32">) => sum(mul(x, x)));
 * using x = Tensor.from([1, 2, 3]);
 * const [gradient] = slope(x);
 * console.log(gradient.toArray()); // [2, 4, 6]
 * gradient.dispose();
 * ```
 */
export function grad<A extends Tensor[]>(fn: ScalarFunction<A>): (...inputs: A) => Tensor[] {
  return (...inputs) => {
    const { value, gradients } = valueAndGrad(fn)(...inputs);
    value.dispose();
    return [...gradients];
  };
}

/**
 * The function that computes another's value together with its gradients.
 *
 * @param fn As for {@linkcode grad}.
 * @returns A function of the same arguments.
 *
 * @example
 * ```ts
 * import { exp, sum, Tensor, valueAndGrad } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using result = valueAndGrad((x: Tensor<"float32">) => sum(exp(x)))(x);
 * console.log(result.value.get(), result.gradients[0].toArray());
 * ```
 */
export function valueAndGrad<A extends Tensor[]>(
  fn: ScalarFunction<A>,
): (...inputs: A) => ValueAndGradients {
  return (...inputs) => {
    const { value, gradients } = scope(() => evaluate(fn, inputs));
    return {
      value,
      gradients,
      [Symbol.dispose]() {
        value.dispose();
        for (const gradient of gradients) gradient.dispose();
      },
    };
  };
}

function evaluate<A extends Tensor[]>(
  fn: ScalarFunction<A>,
  inputs: A,
): { value: Tensor; gradients: Tensor[] } {
  const leaves = inputs.map((input) => {
    const leaf = input.detach();
    if (isFloating(leaf.dtype)) leaf.requiresGrad = true;
    return leaf;
  });
  const result = recorded(() => fn(...leaves as A));
  if (!(result instanceof Tensor)) {
    throw new TypeError("grad: the function returned no tensor; it must not be asynchronous");
  }
  if (result.requiresGrad) result.backward();
  const gradients = leaves.map((leaf) => {
    const gradient = leaf.grad;
    return gradient === undefined ? zerosLike(leaf) : gradient.clone();
  });
  return { value: result.detach().clone(), gradients };
}

function zerosLike(tensor: Tensor): Tensor {
  const { dtype, shape } = tensor;
  return Tensor.zeros(shape, isFloating(dtype) ? dtype : "float32");
}
