/**
 * Gradients against differences: an operation in float64 is run with one element of one
 * operand a little larger and a little smaller, and the slope between compared with what
 * the walk back gives.
 */
import { assert } from "@std/assert";
import { isFloating } from "../../lib/core/dtype.ts";
import { sameShape } from "../../lib/core/shape.ts";
import { mul, sum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** A tensor of real numbers, in double precision. */
export type Doubles = Tensor<"float64">;

/** An operation with operands that fit. */
export interface GradientCase {
  /** The exported function's name. */
  name: string;
  /** What is special about the case; nothing for the plain one. */
  what?: string;
  /** The operands, of float64 where they have a gradient; made anew for each check. */
  make: () => Tensor[];
  /** The operation, in the dtype of its operands. */
  run: (operands: Tensor[]) => Tensor | Tensor[];
  /** How far elements are moved; 1e-6 when left out, which needs float64 throughout. */
  epsilon?: number;
}

const EPSILON = 1e-6;

/** A loss that weighs every element of a result differently. */
function weighted(y: Tensor): Doubles {
  const weights = Float64Array.from({ length: y.size }, (_, i) => Math.cos(3 * i + 1) + 0.1);
  using flat = Tensor.from(weights, "float64");
  using shaped = flat.reshape(y.shape);
  using products = mul(y as Doubles, shaped);
  return sum(products);
}

/** The sum of a run's losses. */
function valueOf(run: GradientCase["run"], operands: Tensor[]): number {
  const results = [run(operands)].flat();
  let total = 0;
  for (const y of results) {
    if (isFloating(y.dtype)) {
      using loss = weighted(y);
      total += loss.get();
    }
    y.dispose();
  }
  return total;
}

/** The same elements with other strides: along each axis in the order of the turned tensor. */
export function turned(x: Tensor): Tensor {
  if (x.shape.length < 2) {
    using wide = Tensor.zeros([...x.shape, 3], x.dtype as "float64");
    using column = wide.slice(1, 2, { axis: -1 });
    const view = column.squeeze(-1);
    view.copyFrom(x as Doubles);
    return view;
  }
  using back = x.transpose();
  using copy = back.clone();
  return copy.transpose();
}

/**
 * The same case of operands whose elements are all alike along an axis: views without strides
 * of operands of one element there.
 *
 * @param check The case.
 * @returns The case; undefined where no operand has an axis of two or more.
 */
export function stretched(check: GradientCase): GradientCase | undefined {
  const shapes: (readonly number[])[] = [];
  const make = () =>
    check.make().map((x, i) => {
      const axis = isFloating(x.dtype) ? x.shape.findIndex((extent) => extent > 1) : -1;
      shapes[i] = x.shape;
      if (axis === -1) return x;
      using whole = x;
      using first = whole.slice(0, 1, { axis });
      return first.clone();
    });
  const narrow = make();
  const isStretched = narrow.some(({ size, shape }, i) => size > 0 && !sameShape(shape, shapes[i]));
  for (const x of narrow) x.dispose();
  if (!isStretched) return undefined;
  const run = (operands: Tensor[]) => {
    using views = new DisposableStack();
    return check.run(operands.map((x, i) => {
      return sameShape(x.shape, shapes[i]) ? x : views.use(x.broadcastTo(shapes[i]));
    }));
  };
  return { ...check, make, run };
}

/** The gradients of all operands that have one. */
export function gradientsOf(run: GradientCase["run"], operands: Tensor[]): (Tensor | undefined)[] {
  for (const operand of operands) if (isFloating(operand.dtype)) operand.requiresGrad = true;
  const results = [run(operands)].flat();
  for (const y of results) {
    if (!isFloating(y.dtype)) continue;
    using loss = weighted(y);
    loss.backward({ retain: true });
  }
  for (const y of results) y.dispose();
  return operands.map((operand) => operand.grad);
}

/**
 * Checks the gradients of a case, element by element.
 *
 * @param check The case.
 * @param change What is done to each operand first, such as {@linkcode turned}.
 */
export function checkGradients(
  { name, what, make, run, epsilon = EPSILON }: GradientCase,
  change: (x: Tensor) => Tensor = (x) => x.clone(),
): void {
  const originals = make();
  const operands = originals.map((x) => isFloating(x.dtype) ? change(x) : x.clone());
  const gradients = gradientsOf(run, operands);
  originals.forEach((x, which) => {
    if (!isFloating(x.dtype)) return;
    const gradient = gradients[which];
    assert(gradient !== undefined, `${name} ${what ?? ""}: operand ${which} has no gradient`);
    const data = (x as Doubles).data;
    const own = gradient.toArray();
    const flat = (Array.isArray(own) ? own.flat(9) : [own]) as number[];
    for (let i = 0; i < data.length; i++) {
      const before = data[i];
      data[i] = before + epsilon;
      const above = valueOf(run, originals);
      data[i] = before - epsilon;
      const below = valueOf(run, originals);
      data[i] = before;
      const slope = (above - below) / (2 * epsilon);
      assert(
        Math.abs(flat[i] - slope) <= 1e-5 + 1e-3 * Math.abs(slope),
        `${name} ${what ?? ""}: operand ${which}, element ${i}: ${flat[i]}, expected ${slope}`,
      );
    }
  });
  for (const x of [...originals, ...operands]) x.dispose();
}

/**
 * Checks that the gradients of float32 operands are those of float64, to 1e-4.
 *
 * @param check The case.
 * @param change What is done to each operand first, such as {@linkcode turned}.
 */
export function checkFloat32(
  { name, what, make, run }: GradientCase,
  change: (x: Tensor) => Tensor = (x) => x.clone(),
): void {
  const exact = make();
  const rounded = exact.map((x) => {
    if (!isFloating(x.dtype)) return x.clone();
    using copy = Tensor.empty(x.shape, "float32");
    copy.data.set((x as Doubles).data);
    // The same numbers on both sides.
    (x as Doubles).data.set(copy.data);
    return change(copy);
  });
  const expected = gradientsOf(run, exact);
  const actual = gradientsOf(run, rounded);
  expected.forEach((gradient, which) => {
    if (gradient === undefined) return;
    const [a, b] = [gradient, actual[which]!].map((x) => [x.toArray()].flat(9) as number[]);
    const scale = Math.max(...a.map(Math.abs), 1e-30);
    a.forEach((value, i) => {
      assert(
        Math.abs(b[i] - value) <= 1e-4 * Math.max(Math.abs(value), 0.01 * scale),
        `${name} ${what ?? ""}: operand ${which}, element ${i}: ${
          b[i]
        } in float32, ${value} in float64`,
      );
    });
  });
  for (const x of [...exact, ...rounded]) x.dispose();
}
