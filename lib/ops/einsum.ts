/**
 * Einstein's sum convention: products and sums of tensors whose axes are named by letters.
 *
 * An equation is planned once for operands of some shapes and strides: as a list of native
 * calls with their layouts. Later calls with such operands find the plan and follow it, so
 * that they cost little more than the products that they come to. Plans are kept for the
 * last equations, a few for each.
 */
import { type DType, dtypeLayout, type Floating, isHalf } from "../core/dtype.ts";
import { sameShape, type Shape } from "../core/shape.ts";
import { differentiable, isAnyTracked, record, wants } from "../autograd/mod.ts";
import { native, Status } from "../ffi/mod.ts";
import { BinaryOp, ReduceOp } from "../ffi/symbols.ts";
import { Tensor } from "../tensor/mod.ts";
import { type Equation, fitEquation, parseEquation, syntax } from "./einsum_equation.ts";
import { type ComputedSum, gradientEquation, shapedGradient } from "./einsum_gradient.ts";
import { type Plan, planSum, type Step } from "./einsum_plan.ts";
import { withFloat32 } from "./halves.ts";
import {
  checkApart,
  checkFloating,
  checkOperand,
  checkResult,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
} from "./operands.ts";

/**
 * The sum that an equation names: `"ij,jk->ik"` is the product of two matrices.
 *
 * @param equation For each operand a letter an axis, separated by commas; behind `->` those of
 *   the result. A letter that the result lacks is summed over; one that an operand has twice
 *   walks along a diagonal. `...` stands for any axes, which are broadcast. Without `->` the
 *   result has the ellipsis and all letters that occur once, in the order of the alphabet.
 * @param operands Floating-point tensors of one dtype, of any strides. Three and more are
 *   multiplied in the order that takes the fewest multiplications.
 * @param options Where to write the result, apart from the operands.
 * @returns The dtype of the operands; for halves all is computed in float32, and rounded once.
 * @throws {RangeError} When a letter stands for two sizes, neither of them 1.
 * @throws {SyntaxError} When it is no equation, or not one for these operands.
 *
 * @example
 * ```ts
 * import { einsum, Tensor } from "@quern/quern";
 *
 * using a = Tensor.from([[1, 2], [3, 4]]);
 * using b = Tensor.from([1, 10]);
 * using y = einsum("ij,j->i", [a, b]);
 * using trace = einsum("ii", [a]);
 * console.log(y.toArray(), trace.get()); // [21, 43] 5
 * ```
 */
export function einsum<D extends Floating>(
  equation: string,
  operands: readonly Tensor<D>[],
  options: ResultOption<D> = {},
): Tensor<D> {
  const known = equations.get(equation) ?? learn(equations, parseEquation(equation));
  return contract(known, operands, options.out);
}

/** Computes what a known equation says. */
function contract<D extends Floating>(
  known: Known,
  operands: readonly Tensor[],
  out: Tensor<D> | undefined,
): Tensor<D> {
  checkOperands(known.equation, operands);
  const dtype = operands[0].dtype as D;
  const plan = findPlan(known.plans, operands) ?? addPlan(known, operands);
  if (out !== undefined) checkOut(out, plan.shape, operands);
  if (isHalf(dtype)) return ofHalves(known, operands as readonly Tensor<D>[], plan.shape, out);
  const tracked = isAnyTracked(operands);
  const y = resultTensor<D>("einsum", out, plan.shape, dtype);
  const status = plan.steps.length === 1
    ? run(plan.steps[0], y, operands[plan.steps[0].a], operands[plan.steps[0].b])
    : runAll(plan.steps, y, out, operands);
  if (status === Status.OK) return tracked ? recordSum(y, known.equation, operands) : y;
  const named = Object.fromEntries(operands.map((operand, index) => [nameOf(index), operand]));
  return refuse("einsum", status, y, out, named);
}

/** Apart, since what a closure holds costs a call's entry. */
function ofHalves<D extends Floating>(
  known: Known,
  operands: readonly Tensor<D>[],
  shape: Shape,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const result = { operation: "einsum", shape, dtype: operands[0].dtype, out };
  return withFloat32(result, operands, (...wide) => contract(known, wide, undefined));
}

const firstNames = ["operand 0", "operand 1", "operand 2", "operand 3"];

/* ---- Gradients ------------------------------------------------------------- */

const einsumGradient = differentiable<ComputedSum>({
  operation: "einsum",
  saves: firstNames,
  backward: (gradient, saved, { wants, extra }) =>
    wants.map((wanted, which) => {
      if (!wanted) return undefined;
      const equation = gradientEquation(extra, which);
      const known = gradientEquations.get(equation.text) ?? learn(gradientEquations, equation);
      const operands = [gradient, ...saved.toSpliced(which, 1)];
      using reduced = contract<Floating>(known, operands, undefined);
      return shapedGradient(reduced, extra, which);
    }),
});

/** An operand is kept where the gradient of another is wanted. */
function recordSum<T extends Tensor>(y: T, equation: Equation, operands: readonly Tensor[]): T {
  const shapes = operands.map(({ shape }) => shape);
  const wanted = operands.map(wants);
  const saved = operands.map((operand, index) => {
    return wanted.some((want, other) => want && other !== index) ? operand : undefined;
  });
  const saves = operands.map((_, index) => nameOf(index));
  const extra = { fitted: fitEquation(equation, shapes), shapes };
  return record(y, { ...einsumGradient, saves }, operands, { saved, extra });
}

/* ---- Plans ----------------------------------------------------------------- */

/** An equation and what was planned for it, the latest plan first. */
interface Known {
  readonly equation: Equation;
  readonly plans: Plan[];
}

const mostEquations = 64;
const mostPlans = 8;
/** By what the caller wrote. */
const equations = new Map<string, Known>();
/** Those of gradients, whose names are of any length. */
const gradientEquations = new Map<string, Known>();

function learn(among: Map<string, Known>, equation: Equation): Known {
  const known = { equation, plans: [] };
  if (among.size === mostEquations) among.delete(among.keys().next().value!);
  among.set(equation.text, known);
  return known;
}

function findPlan(plans: readonly Plan[], operands: readonly Tensor[]): Plan | undefined {
  for (let index = 0; index < plans.length; index++) {
    if (fits(plans[index], operands)) return plans[index];
  }
  return undefined;
}

function fits({ shapes, strides }: Plan, operands: readonly Tensor[]): boolean {
  for (let index = 0; index < operands.length; index++) {
    const { shape, isContiguous } = operands[index];
    if (shape !== shapes[index] && !sameShape(shape, shapes[index])) return false;
    const planned = strides[index];
    if (isContiguous !== (planned === undefined)) return false;
    if (planned !== undefined && !sameShape(operands[index].strides, planned)) return false;
  }
  return true;
}

function addPlan({ equation, plans }: Known, operands: readonly Tensor[]): Plan {
  const shapes = operands.map(({ shape }) => shape);
  const strides = operands.map((operand) => operand.isContiguous ? undefined : operand.strides);
  const plan = planSum(fitEquation(equation, shapes), shapes, strides);
  if (plans.length === mostPlans) plans.pop();
  plans.unshift(plan);
  return plan;
}

/* ---- Checks ---------------------------------------------------------------- */

function checkOperands(
  { text, inputs }: Equation,
  operands: readonly Tensor[],
): void {
  if (!Array.isArray(operands)) {
    throw new TypeError("einsum: the operands are an array of tensors");
  }
  if (operands.length !== inputs.length) {
    throw syntax(text, `is for ${inputs.length} operands, not ${operands.length}`);
  }
  for (let index = 0; index < operands.length; index++) {
    const operand = operands[index];
    if (index === 0) checkFloating("einsum", nameOf(0), operand);
    else checkOperand("einsum", nameOf(index), operand, operands[0].dtype);
  }
}

function checkOut(out: Tensor, shape: Shape, operands: readonly Tensor[]): void {
  checkResult<DType>("einsum", out, shape, operands[0].dtype);
  for (let index = 0; index < operands.length; index++) {
    checkApart("einsum", out, nameOf(index), operands[index]);
  }
}

/** The first names are not made anew for each call. */
function nameOf(index: number): string {
  return firstNames[index] ?? `operand ${index}`;
}

/* ---- Steps ----------------------------------------------------------------- */

/** One native call; returns its status. */
function run(step: Step, y: Tensor, a: Tensor, b: Tensor): number {
  const { symbols } = native();
  const { words, axes } = step;
  const code = dtypeCodes[y.dtype];
  switch (step.kind) {
    case "matmul":
      return symbols.qn_matmul(y.address, a.address, b.address, words, axes, 1, 0, code);
    case "multiply": {
      const op = BinaryOp.MULTIPLY;
      return symbols.qn_binary(y.address, a.address, b.address, words, axes, 0, op, code);
    }
    case "sum":
      return symbols
        .qn_reduce(y.address, a.address, words, axes, step.reduced, 0, ReduceOp.SUM, code);
    case "copy":
      return symbols
        .qn_copy_strided(y.address, a.address, words, axes, dtypeLayout(y.dtype).blockBytes);
  }
}

/** All calls; what they make on the way is in the pool again at the end. */
function runAll(
  steps: readonly Step[],
  y: Tensor,
  out: Tensor | undefined,
  operands: readonly Tensor[],
): number {
  const made: Tensor[] = [];
  const at = (index: number) => {
    return index < operands.length ? operands[index] : made[index - operands.length];
  };
  let isDone = false;
  try {
    let status: number = Status.OK;
    for (let index = 0; index < steps.length && status === Status.OK; index++) {
      const step = steps[index];
      const target = step.size === undefined ? y : Tensor.empty([step.size], y.dtype);
      if (target !== y) made.push(target);
      status = run(step, target, at(step.a), at(step.b));
      if (step.a >= operands.length) at(step.a).dispose();
      if (step.b >= operands.length) at(step.b).dispose();
    }
    isDone = true;
    return status;
  } finally {
    for (const tensor of made) tensor.dispose();
    // No memory for a step: nobody saw the result.
    if (!isDone && y !== out) y.dispose();
  }
}
