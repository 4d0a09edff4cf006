/**
 * From a fitted equation to a list of native calls, whose layouts are written once.
 *
 * Nothing is moved that need not be: a piece is a tensor seen through names, sizes and
 * strides, so that a diagonal is a name whose stride is the sum of two, and an axis that is
 * repeated to fit others is left out. Pieces become products pair by pair:
 *
 *   batch   names of both that are needed later
 *   inner   names of both that are not: without them it is a product element by element
 *   rows    names of the first alone, cols those of the second
 *
 * A piece whose rows, columns or inner names cannot be walked as one axis is copied first,
 * and a product whose names come out in another order than the result's is copied last.
 */
import { type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { GemmField, Words } from "../ffi/mod.ts";
import type { Fitted } from "./einsum_equation.ts";
import { pairOrder } from "./einsum_order.ts";

/** What a step calls. */
export type StepKind = "matmul" | "multiply" | "sum" | "copy";

/**
 * One native call. Operands are numbered from 0, then the results of the steps; what a step
 * reads of the latter, nothing reads after it.
 */
export interface Step {
  /** Which function. */
  readonly kind: StepKind;
  /** What it reads. */
  readonly a: number;
  /** What it reads besides; `a` again where that is all. */
  readonly b: number;
  /** The elements of its result; undefined for the last step, which writes the result. */
  readonly size: number | undefined;
  /** The layout. */
  readonly words: BigUint64Array<ArrayBuffer>;
  /** The axes of the layout: of the batch for products of matrices, those kept for sums. */
  readonly axes: number;
  /** The axes that are summed over, for sums. */
  readonly reduced: number;
}

/** How a sum is computed for operands of some shapes and strides. */
export interface Plan {
  /** The shapes of the operands. */
  readonly shapes: readonly Shape[];
  /** Their strides; undefined for dense ones. */
  readonly strides: readonly (readonly number[] | undefined)[];
  /** The shape of the result. */
  readonly shape: Shape;
  /** The calls, at least one. */
  readonly steps: readonly Step[];
}

/** Names, each once, with the sizes and strides of what they walk along. */
interface Piece {
  readonly at: number;
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

/**
 * Plans a sum.
 *
 * @param fitted The equation.
 * @param shapes The shapes of the operands.
 * @param strides Their strides; undefined for dense ones.
 * @returns The calls to make.
 */
export function planSum(
  fitted: Fitted,
  shapes: readonly Shape[],
  strides: readonly (readonly number[] | undefined)[],
): Plan {
  const { inputs, output, sizes } = fitted;
  const pieces = inputs.map((names, at) => {
    return pieceOf(at, names, shapes[at], strides[at] ?? stridesOf(shapes[at]), sizes);
  });
  const planner = new Planner(inputs.length, output);
  const names = pieces.map((piece) => piece.names);
  for (const [left, right] of pairOrder(names, output, sizes)) {
    const [a, b] = [pieces[left], pieces[right]];
    pieces[left] = pieces[right] = nothing;
    const needed = new Set([...output, ...pieces.flatMap((piece) => piece.names)]);
    pieces.push(planner.multiply(a, b, needed, pieces.every((piece) => piece === nothing)));
  }
  planner.finish(pieces[pieces.length - 1]);
  const shape = output.map((name) => sizes.get(name)!);
  return { shapes, strides, shape, steps: planner.steps };
}

const nothing: Piece = { at: -1, names: [], sizes: [], strides: [] };

/** An operand with each name once, without axes that are repeated to fit others. */
function pieceOf(
  at: number,
  names: readonly string[],
  shape: Shape,
  strides: readonly number[],
  sizes: ReadonlyMap<string, number>,
): Piece {
  const steps = new Map<string, number>();
  names.forEach((name, axis) => {
    if (shape[axis] === 1 && sizes.get(name) !== 1) return;
    steps.set(name, (steps.get(name) ?? 0) + strides[axis]);
  });
  const own = [...steps.keys()];
  return {
    at,
    names: own,
    sizes: own.map((name) => sizes.get(name)!),
    strides: [...steps.values()],
  };
}

/** A piece with its names in another order; names that it lacks are repeated, once. */
function ordered(piece: Piece, order: readonly string[]): Piece {
  const axes = order.map((name) => piece.names.indexOf(name));
  return {
    at: piece.at,
    names: order,
    sizes: axes.map((axis) => axis < 0 ? 1 : piece.sizes[axis]),
    strides: axes.map((axis) => axis < 0 ? 0 : piece.strides[axis]),
  };
}

/** Names of a piece as one axis; undefined where no single stride walks along all of them. */
function joined(
  piece: Piece,
  names: readonly string[],
): { size: number; stride: number } | undefined {
  let [size, stride] = [1, 1];
  for (let index = names.length - 1; index >= 0; index--) {
    const axis = piece.names.indexOf(names[index]);
    if (piece.sizes[axis] === 0) return { size: 0, stride: 1 };
    if (piece.sizes[axis] === 1) continue;
    if (size === 1) stride = piece.strides[axis];
    else if (piece.strides[axis] !== stride * size) return undefined;
    size *= piece.sizes[axis];
  }
  return { size, stride };
}

/** The names of a group in a product of matrices. */
interface Groups {
  readonly batch: readonly string[];
  readonly rows: readonly string[];
  readonly inner: readonly string[];
  readonly cols: readonly string[];
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** The steps so far. */
class Planner {
  readonly steps: Step[] = [];
  readonly #operands: number;
  readonly #output: readonly string[];

  constructor(operands: number, output: readonly string[]) {
    this.#operands = operands;
    this.#output = output;
  }

  /** The product of two pieces, with the names that are needed. */
  multiply(left: Piece, right: Piece, needed: ReadonlySet<string>, isLast: boolean): Piece {
    const a = this.#sumAway(left, (name) => needed.has(name) || right.names.includes(name));
    const b = this.#sumAway(right, (name) => needed.has(name) || a.names.includes(name));
    const shared = a.names.filter((name) => b.names.includes(name));
    const inner = shared.filter((name) => !needed.has(name));
    if (inner.length === 0) return this.#spread(a, b, isLast ? this.#output : undefined);
    if (shared.length === a.names.length && shared.length === b.names.length) {
      // Nothing but dots, for which kernels of matrices are slow.
      const kept = isLast ? this.#output : shared.filter((name) => needed.has(name));
      return this.#sum(this.#spread(a, b), kept);
    }
    const groups = groupsOf(a, b, needed, isLast ? this.#output : undefined);
    // The result of the pair in the other order has rows and columns exchanged.
    const exchanged = { ...groups, rows: groups.cols, cols: groups.rows };
    const turned = isLast && sameNames(resultOf(exchanged), this.#output);
    return turned ? this.#contract(b, a, exchanged) : this.#contract(a, b, groups);
  }

  /** The last step, which writes the result in the order of the output. */
  finish(piece: Piece): void {
    const output = this.#output;
    const last = this.steps.length - 1;
    if (piece.names.length > output.length) {
      this.#sum(piece, output);
    } else if (piece.at < this.#operands || !sameNames(piece.names, output)) {
      this.#copy(piece, output);
    } else {
      this.steps[last] = { ...this.steps[last], size: undefined };
      return;
    }
    this.steps.push({ ...this.steps.pop()!, size: undefined });
  }

  /** Notes a step, whose result has the names and sizes and is dense. */
  #add(
    step: Omit<Step, "size" | "reduced"> & { reduced?: number },
    names: readonly string[],
    sizes: readonly number[],
  ): Piece {
    const size = sizeOf(sizes);
    this.steps.push({ reduced: 0, ...step, size });
    const at = this.#operands + this.steps.length - 1;
    return { at, names, sizes, strides: stridesOf(sizes) };
  }

  #sumAway(piece: Piece, isNeeded: (name: string) => boolean): Piece {
    const kept = piece.names.filter(isNeeded);
    return kept.length === piece.names.length ? piece : this.#sum(piece, kept);
  }

  #sum(piece: Piece, kept: readonly string[]): Piece {
    const gone = piece.names.filter((name) => !kept.includes(name));
    const { at, sizes, strides } = ordered(piece, [...kept, ...gone]);
    const words = wordsOf(sizes.map((size, axis) => [size, strides[axis]]));
    const step = { kind: "sum", a: at, b: at, words, axes: kept.length, reduced: gone.length };
    return this.#add(step as Step, kept, sizes.slice(0, kept.length));
  }

  #copy(piece: Piece, order: readonly string[]): Piece {
    const { at, sizes, strides } = ordered(piece, order);
    const dense = stridesOf(sizes);
    const words = wordsOf(sizes.map((size, axis) => [size, dense[axis], strides[axis]]));
    return this.#add({ kind: "copy", a: at, b: at, words, axes: order.length }, order, sizes);
  }

  /** A pair without an inner axis: each element by each. */
  #spread(a: Piece, b: Piece, given?: readonly string[]): Piece {
    const order = given ?? [...a.names, ...b.names.filter((name) => !a.names.includes(name))];
    const [x, y] = [ordered(a, order), ordered(b, order)];
    const sizes = order.map((name) => sizeAt(a, b, name));
    const words = wordsOf(sizes.map((size, axis) => [size, x.strides[axis], y.strides[axis]]));
    const step = { kind: "multiply", a: a.at, b: b.at, words, axes: order.length } as const;
    return this.#add(step, order, sizes);
  }

  /** A pair with an inner axis: products of matrices. */
  #contract(a: Piece, b: Piece, groups: Groups): Piece {
    const { batch, rows, inner, cols } = groups;
    let [rowAxis, aInner] = [joined(a, rows), joined(a, inner)];
    if (rowAxis === undefined || aInner === undefined) {
      a = this.#copy(a, [...batch, ...rows, ...inner]);
      [rowAxis, aInner] = [joined(a, rows), joined(a, inner)];
    }
    let [colAxis, bInner] = [joined(b, cols), joined(b, inner)];
    if (colAxis === undefined || bInner === undefined) {
      b = this.#copy(b, [...batch, ...inner, ...cols]);
      [colAxis, bInner] = [joined(b, cols), joined(b, inner)];
    }
    const names = resultOf(groups);
    const sizes = names.map((name) => sizeAt(a, b, name));
    const strides = stridesOf(sizes);
    const matrix = [
      rowAxis!.size,
      colAxis!.size,
      aInner!.size,
      rowAxis!.stride,
      aInner!.stride,
      bInner!.stride,
      colAxis!.stride,
      colAxis!.size,
    ];
    const stacks = batch.map((name, axis) => {
      return [sizes[axis], strides[axis], strideAt(a, name), strideAt(b, name)];
    });
    const words = wordsOf([matrix, ...stacks]);
    const step = { kind: "matmul", a: a.at, b: b.at, words, axes: batch.length } as const;
    return this.#add(step, names, sizes);
  }
}

/** The groups of a pair, in the order of the output or, where there is none, of the strides. */
function groupsOf(
  a: Piece,
  b: Piece,
  needed: ReadonlySet<string>,
  output: readonly string[] | undefined,
): Groups {
  const byOutput = (x: string, y: string) => output!.indexOf(x) - output!.indexOf(y);
  const byStride = (piece: Piece) => (x: string, y: string) => {
    return strideAt(piece, y) - strideAt(piece, x);
  };
  const ordering = (piece: Piece) => output === undefined ? byStride(piece) : byOutput;
  const shared = a.names.filter((name) => b.names.includes(name));
  // A piece that cannot be walked in the order of the inner names is copied: the smaller one.
  const larger = sizeOf(a.sizes) < sizeOf(b.sizes) ? b : a;
  return {
    batch: shared.filter((name) => needed.has(name)).sort(ordering(a)),
    rows: a.names.filter((name) => !shared.includes(name)).sort(ordering(a)),
    inner: shared.filter((name) => !needed.has(name)).sort(byStride(larger)),
    cols: b.names.filter((name) => !shared.includes(name)).sort(ordering(b)),
  };
}

/** The names of a product of matrices, outermost first. */
function resultOf({ batch, rows, cols }: Groups): string[] {
  return [...batch, ...rows, ...cols];
}

/** The size of a name that one of two pieces has, or both. */
function sizeAt(a: Piece, b: Piece, name: string): number {
  const { names, sizes } = a.names.includes(name) ? a : b;
  return sizes[names.indexOf(name)];
}

function strideAt({ names, strides }: Piece, name: string): number {
  return strides[names.indexOf(name)];
}

function wordsOf(groups: readonly (readonly number[])[]): BigUint64Array<ArrayBuffer> {
  const values = groups.flat();
  const words = new Words(Math.max(values.length, GemmField.BATCH));
  values.forEach((value, index) => words.set(index, value));
  return words.array;
}
