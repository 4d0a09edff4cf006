/**
 * How gradients come back through Einstein's sums. That of an operand is a sum again, of the
 * result's gradient and the other operands, whose result has the names of that operand:
 *
 *     y = "ij,jk->ik" of a, b      the gradient of a is "ik,jk->ij" of g, b
 *
 * An axis of one element was repeated along its name: what others have there is summed over.
 * A name that nothing else has was summed over by itself: the gradient is repeated along it.
 * Of a name that the operand has twice the gradient belongs to the diagonal.
 */
import type { Floating } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { Tensor } from "../tensor/mod.ts";
import type { Equation, Fitted } from "./einsum_equation.ts";

/** A sum that was computed. */
export interface ComputedSum {
  /** The names of its axes. */
  readonly fitted: Fitted;
  /** The shape of each operand. */
  readonly shapes: readonly Shape[];
}

/**
 * The equation that an operand's gradient is computed with.
 *
 * @param sum The sum.
 * @param which The operand.
 * @returns An equation for the result's gradient and the other operands. Its result lacks
 * what {@linkcode shapedGradient} adds.
 */
export function gradientEquation(sum: ComputedSum, which: number): Equation {
  const { inputs, output } = sum.fitted;
  const elsewhere = otherNames(sum, which);
  const long = longNames(inputs[which], sum.shapes[which]);
  const result = [...new Set(long)].filter((name) => elsewhere.has(name));
  const terms = [output, ...inputs.toSpliced(which, 1)].map((names) => names.map(plainName));
  const own = result.map(plainName);
  const text = `${terms.map((names) => names.join(" ")).join(",")}->${own.join(" ")}`;
  return { text, inputs: terms, output: own };
}

/**
 * An operand's gradient in its shape.
 *
 * @param reduced What {@linkcode gradientEquation} gave.
 * @param sum The sum.
 * @param which The operand.
 * @returns A new tensor.
 */
export function shapedGradient(
  reduced: Tensor<Floating>,
  sum: ComputedSum,
  which: number,
): Tensor {
  const { inputs, sizes: sizeOf } = sum.fitted;
  const [names, shape] = [inputs[which], sum.shapes[which]];
  const long = longNames(names, shape);
  const own = [...new Set(long)];
  const elsewhere = otherNames(sum, which);
  const kept = (name: string, extent: number) => elsewhere.has(name) ? extent : 1;
  if (own.length === long.length) {
    using aligned = reduced.reshape(shape.map((extent, axis) => kept(names[axis], extent)));
    return aligned.broadcastTo(shape);
  }
  const sizes = own.map((name) => sizeOf.get(name)!);
  using aligned = reduced.reshape(own.map((name, axis) => kept(name, sizes[axis])));
  using repeated = aligned.broadcastTo(sizes);
  return onDiagonal(repeated, own, long, shape);
}

/** Zeros of an operand's shape with the elements of a gradient where names are equal. */
function onDiagonal(
  gradient: Tensor<Floating>,
  own: readonly string[],
  long: readonly string[],
  shape: Shape,
): Tensor {
  const all = Tensor.zeros(shape, gradient.dtype);
  let view = all.reshape(shape.filter((extent) => extent !== 1));
  try {
    let names = long;
    for (let pair = twoOf(names); pair !== undefined; pair = twoOf(names)) {
      const [first, second] = pair;
      using wider = view;
      view = wider.diagonal(0, first, second);
      names = [...names.filter((_, axis) => axis !== first && axis !== second), names[first]];
    }
    using place = view.transpose(...own.map((name) => names.indexOf(name)));
    place.copyFrom(gradient);
    return all;
  } catch (error) {
    all.dispose();
    throw error;
  } finally {
    view.dispose();
  }
}

/** The first two axes of one name. */
function twoOf(names: readonly string[]): [first: number, second: number] | undefined {
  const first = names.findIndex((name, axis) => names.indexOf(name, axis + 1) >= 0);
  return first < 0 ? undefined : [first, names.indexOf(names[first], first + 1)];
}

/** The names that the result's gradient and the other operands have. */
function otherNames({ fitted, shapes }: ComputedSum, which: number): Set<string> {
  const { inputs, output } = fitted;
  const others = inputs.flatMap((names, i) => i === which ? [] : longNames(names, shapes[i]));
  return new Set([...output, ...others]);
}

/** The names of the axes that are not of one element. */
function longNames(names: readonly string[], shape: Shape): string[] {
  return names.filter((_, axis) => shape[axis] !== 1);
}

/** Axes of an ellipsis are axes like all others once they are counted. */
function plainName(name: string): string {
  return name.replace(".", "axis ");
}
