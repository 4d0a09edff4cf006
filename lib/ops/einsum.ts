/**
 * Einstein's sum convention: products and sums of tensors whose axes are named by letters.
 *
 * Operands are reduced to what the rest needs (diagonals for a letter that occurs twice,
 * sums over letters that nothing else has), then multiplied pair by pair from left to
 * right. A pair becomes one `matmul`, on views: letters of both that are needed later are
 * its batch, letters of both that are not are its inner axis, and those of one operand
 * its rows or columns. Without an inner axis it is a product element by element.
 */
import type { Floating } from "../core/dtype.ts";
import { formatShape, sameShape, sizeOf } from "../core/shape.ts";
import { overlaps, type Tensor } from "../tensor/mod.ts";
import { mul } from "./arithmetic.ts";
import { matmul } from "./matmul.ts";
import {
  checkApart,
  checkFloating,
  checkOperand,
  type ResultOption,
  resultTensor,
} from "./operands.ts";
import { sum } from "./sums.ts";

/** Letters of each operand, and of the result; `undefined` stands for the ellipsis. */
interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[] | undefined;
}

/** A tensor and the names of its axes. */
interface Named {
  readonly tensor: Tensor<Floating>;
  readonly names: readonly string[];
}

const ELLIPSIS = "...";

/**
 * The sum that an equation names: `"ij,jk->ik"` is the product of two matrices.
 *
 * @param equation For each operand a letter an axis, separated by commas; behind `->` those of
 *   the result. A letter that the result lacks is summed over; one that an operand has twice
 *   walks along a diagonal. `...` stands for any axes, which are broadcast. Without `->` the
 *   result has the ellipsis and all letters that occur once, in the order of the alphabet.
 * @param operands Floating-point tensors of one dtype, of any strides.
 * @param options Where to write the result, apart from the operands.
 * @returns The dtype of the operands.
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
  const { out } = options;
  const parsed = parse(equation);
  checkOperands(equation, parsed, operands, out);
  const inputs = parsed.inputs.map((names, index) => named(equation, names, operands[index]));
  const output = outputNames(equation, parsed, inputs);
  const sizes = sizesOf(inputs, operands);
  const shape = output.map((name) => sizes.get(name)!);
  if (out !== undefined) resultTensor<Floating>("einsum", out, shape, operands[0].dtype);
  using held = new DisposableStack();
  const keep = (tensor: Tensor<Floating>) => held.use(tensor);
  const rest = inputs.map((names, index) => {
    return simplify({ tensor: operands[index], names }, sizes, keep);
  });
  let result = rest[0];
  for (let index = 1; index < rest.length; index++) {
    const needed = new Set([...output, ...rest.slice(index + 1).flatMap(({ names }) => names)]);
    const isLast = index === rest.length - 1;
    const direct = isLast ? out : undefined;
    result = multiply(result, rest[index], needed, isLast ? output : undefined, direct, keep);
    if (result.tensor === direct) return out!;
  }
  result = sumAway(result, new Set(output), keep);
  return finish(result, output, shape, operands, out, keep) as Tensor<D>;
}

/* ---- Equations ------------------------------------------------------------- */

/** Equations that were read; the oldest goes when there are many. */
const known = new Map<string, Equation>();

function parse(equation: string): Equation {
  const found = known.get(equation);
  if (found !== undefined) return found;
  const [left, right, more] = String(equation).replaceAll(/\s/g, "").split("->");
  if (more !== undefined) throw syntax(equation, "has more than one ->");
  const inputs = left.split(",").map((term) => lettersOf(equation, term));
  const output = right === undefined ? undefined : lettersOf(equation, right);
  if (output !== undefined && new Set(output).size !== output.length) {
    throw syntax(equation, "names an axis of the result twice");
  }
  const unknown = output?.find((name) => !inputs.some((names) => names.includes(name)));
  if (unknown !== undefined) throw syntax(equation, `has ${unknown} in the result alone`);
  if (known.size === 64) known.delete(known.keys().next().value!);
  known.set(equation, { inputs, output });
  return { inputs, output };
}

function lettersOf(equation: string, term: string): string[] {
  const names = term.match(/\.\.\.|[^]/g) ?? [];
  const odd = names.find((name) => !/^(?:[A-Za-z]|\.\.\.)$/.test(name));
  if (odd !== undefined) throw syntax(equation, `has ${JSON.stringify(odd)}`);
  if (names.filter((name) => name === ELLIPSIS).length > 1) {
    throw syntax(equation, "has two ellipses in one term");
  }
  return names;
}

function syntax(equation: string, problem: string): SyntaxError {
  return new SyntaxError(`einsum: ${JSON.stringify(equation)} ${problem}`);
}

function checkOperands(
  equation: string,
  { inputs }: Equation,
  operands: readonly Tensor[],
  out: Tensor | undefined,
): void {
  if (!Array.isArray(operands)) {
    throw new TypeError("einsum: the operands are an array of tensors");
  }
  if (operands.length !== inputs.length) {
    throw syntax(equation, `is for ${inputs.length} operands, not ${operands.length}`);
  }
  operands.forEach((operand, index) => {
    if (index === 0) checkFloating("einsum", "operand 0", operand);
    else checkOperand("einsum", `operand ${index}`, operand, operands[0].dtype);
  });
  if (out === undefined) return;
  checkOperand("einsum", "out", out, operands[0].dtype);
  operands.forEach((operand, index) => checkApart("einsum", out, `operand ${index}`, operand));
}

/** The names of an operand's axes; those of the ellipsis are counted from its end. */
function named(equation: string, names: readonly string[], operand: Tensor): string[] {
  const { shape } = operand;
  const at = names.indexOf(ELLIPSIS);
  const hidden = shape.length - names.length + (at < 0 ? 0 : 1);
  if (at < 0 ? hidden !== 0 : hidden < 0) {
    throw new RangeError(
      `einsum: "${names.join("")}" of ${JSON.stringify(equation)} does not fit an operand ` +
        formatShape(shape),
    );
  }
  if (at < 0) return [...names];
  const own = Array.from({ length: hidden }, (_, index) => `.${hidden - index}`);
  return names.toSpliced(at, 1, ...own);
}

function outputNames(
  equation: string,
  { output }: Equation,
  inputs: readonly (readonly string[])[],
): string[] {
  const all = inputs.flat();
  const hidden = [...new Set(all.filter((name) => name.startsWith(".")))]
    .sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)));
  if (output !== undefined) {
    if (hidden.length > 0 && !output.includes(ELLIPSIS)) {
      throw syntax(equation, "lacks the ellipsis in the result");
    }
    return output.flatMap((name) => name === ELLIPSIS ? hidden : name);
  }
  const once = all.filter((name) => {
    return !name.startsWith(".") && all.indexOf(name) === all.lastIndexOf(name);
  });
  return [...hidden, ...once.sort()];
}

/** The size of each name; 1 gives way to another. */
function sizesOf(
  inputs: readonly (readonly string[])[],
  operands: readonly Tensor[],
): Map<string, number> {
  const sizes = new Map<string, number>();
  inputs.forEach((names, index) =>
    names.forEach((name, axis) => {
      const own = operands[index].shape[axis];
      const size = sizes.get(name) ?? 1;
      if (size !== 1 && own !== 1 && own !== size) {
        const what = name.startsWith(".") ? "an axis of the ellipsis" : `subscript ${name}`;
        throw new RangeError(`einsum: ${what} stands for both ${size} and ${own} elements`);
      }
      sizes.set(name, size === 1 ? own : size);
    })
  );
  return sizes;
}

/* ---- One operand ----------------------------------------------------------- */

type Keep = (tensor: Tensor<Floating>) => Tensor<Floating>;

/** An operand with each name once, and without axes that are repeated to fit others. */
function simplify(operand: Named, sizes: Map<string, number>, keep: Keep): Named {
  let { tensor, names } = operand;
  const repeated = [...names.keys()].filter((axis) => {
    return tensor.shape[axis] === 1 && sizes.get(names[axis]) !== 1;
  });
  if (repeated.length > 0) {
    tensor = keep(tensor.squeeze(...repeated));
    names = names.filter((_, axis) => !repeated.includes(axis));
  }
  for (;;) {
    const second = names.findIndex((name, axis) => names.indexOf(name) < axis);
    if (second < 0) return { tensor, names };
    const first = names.indexOf(names[second]);
    const name = names[second];
    tensor = keep(tensor.diagonal(0, first, second));
    names = [...names.filter((other) => other !== name), ...rest(names, name)];
  }
}

/** A name as often as it is left once two of its axes became one. */
function rest(names: readonly string[], name: string): string[] {
  return names.filter((other) => other === name).slice(1);
}

/** Sums over what nothing else needs. */
function sumAway(operand: Named, needed: ReadonlySet<string>, keep: Keep): Named {
  const { tensor, names } = operand;
  const axes = [...names.keys()].filter((axis) => !needed.has(names[axis]));
  if (axes.length === 0) return operand;
  const result = sum(tensor, { axis: axes }) as Tensor<Floating>;
  return { tensor: keep(result), names: names.filter((name) => needed.has(name)) };
}

/* ---- Pairs ----------------------------------------------------------------- */

/** A view with its axes in another order. */
function ordered({ tensor, names }: Named, order: readonly string[], keep: Keep): Tensor<Floating> {
  if (order.every((name, index) => name === names[index])) return tensor;
  return keep(tensor.transpose(...order.map((name) => names.indexOf(name))));
}

/** Axes joined to one; the others stay. */
function joined(
  tensor: Tensor<Floating>,
  first: number,
  count: number,
  keep: Keep,
): Tensor<Floating> {
  if (count === 1) return tensor;
  const { shape } = tensor;
  const size = sizeOf(shape.slice(first, first + count));
  return keep(tensor.reshape(shape.toSpliced(first, count, size)));
}

/** The product of two operands, with the names that are needed. */
function multiply(
  left: Named,
  right: Named,
  needed: ReadonlySet<string>,
  output: readonly string[] | undefined,
  out: Tensor<Floating> | undefined,
  keep: Keep,
): Named {
  const a = sumAway(left, new Set([...needed, ...right.names]), keep);
  const b = sumAway(right, new Set([...needed, ...left.names]), keep);
  const shared = a.names.filter((name) => b.names.includes(name));
  const batch = shared.filter((name) => needed.has(name));
  const inner = shared.filter((name) => !needed.has(name));
  const rows = a.names.filter((name) => !shared.includes(name));
  const cols = b.names.filter((name) => !shared.includes(name));
  if (inner.length === 0) return spread(a, b, batch, rows, cols, keep);
  if (output !== undefined) {
    // The result of the pair in the other order has rows and columns exchanged.
    batch.sort((x, y) => output.indexOf(x) - output.indexOf(y));
    const byOutput = (x: string, y: string) => output.indexOf(x) - output.indexOf(y);
    rows.sort(byOutput);
    cols.sort(byOutput);
    const exchanged = [...batch, ...cols, ...rows];
    if (rows.length > 0 && cols.length > 0 && sameNames(exchanged, output)) {
      return contract(b, a, batch, cols, inner, rows, output, out, keep);
    }
  }
  return contract(a, b, batch, rows, inner, cols, output, out, keep);
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** A pair without an inner axis: each element by each. */
function spread(
  a: Named,
  b: Named,
  batch: readonly string[],
  rows: readonly string[],
  cols: readonly string[],
  keep: Keep,
): Named {
  const x = ordered(a, [...batch, ...rows], keep);
  const y = ordered(b, [...batch, ...cols], keep);
  const tall = cols.length === 0
    ? x
    : keep(x.reshape([...x.shape, ...new Array<number>(cols.length).fill(1)]));
  const ones = new Array<number>(rows.length).fill(1);
  const wide = rows.length === 0 ? y : keep(y.reshape(y.shape.toSpliced(batch.length, 0, ...ones)));
  return { tensor: keep(mul(tall, wide)), names: [...batch, ...rows, ...cols] };
}

/** A pair with an inner axis: products of matrices. */
function contract(
  a: Named,
  b: Named,
  batch: readonly string[],
  rows: readonly string[],
  inner: readonly string[],
  cols: readonly string[],
  output: readonly string[] | undefined,
  out: Tensor<Floating> | undefined,
  keep: Keep,
): Named {
  const names = [...batch, ...rows, ...cols];
  const x = ordered(a, [...batch, ...rows, ...inner], keep);
  const y = ordered(b, [...batch, ...inner, ...cols], keep);
  const shape = [...x.shape.slice(0, names.length - cols.length), ...y.shape.slice(-cols.length)];
  if (cols.length === 0) shape.splice(batch.length + rows.length);
  const at = batch.length;
  const lhs = joined(joined(x, at + rows.length, inner.length, keep), at, rows.length, keep);
  const rhs = joined(joined(y, at + inner.length, cols.length, keep), at, inner.length, keep);
  const plain = rows.length === 1 && cols.length === 1;
  if (
    plain && out !== undefined && out.isContiguous && sameNames(names, output!) &&
    sameShape(out.shape, shape)
  ) {
    return { tensor: matmul(lhs, rhs, { out }), names };
  }
  const product = keep(matmul(lhs, rhs));
  return { tensor: plain ? product : keep(product.reshape(shape)), names };
}

/** The result in the order of the output, as a tensor that nothing else holds. */
function finish(
  result: Named,
  output: readonly string[],
  shape: readonly number[],
  operands: readonly Tensor[],
  out: Tensor<Floating> | undefined,
  keep: Keep,
): Tensor<Floating> {
  const present = output.filter((name) => result.names.includes(name));
  let view = ordered(result, present, keep);
  if (present.length < output.length || !sameShape(view.shape, shape)) {
    // Axes that were left out because all operands have one element there.
    const full = output.map((name) => {
      return present.includes(name) ? view.shape[present.indexOf(name)] : 1;
    });
    view = keep(keep(view.reshape(full)).broadcastTo(shape));
  }
  if (out !== undefined) return out.copyFrom(view);
  const isOwn = view.isContiguous && !operands.some((operand) => overlaps(operand, view));
  return isOwn ? view.move() : view.clone();
}
