/**
 * What operations call to be recorded.
 *
 *     const tracked = isTracked(gate, up);          before the result is written
 *     … the kernel …
 *     return tracked ? record(y, swigluGradient, [gate, up], { saved: [gate, up] }) : y;
 *
 * A handle's trace leads to the node of its value. An operation that writes to a tensor ends
 * the history of its handle, and where it is recorded gives it a new one; a handle whose
 * memory was written through another handle has a history that is no longer true, and is
 * refused as an operand.
 */
import { isFloating } from "../core/dtype.ts";
import { formatShape } from "../core/shape.ts";
import {
  type BackwardOptions,
  beginTracing,
  countedMemory,
  installRecorder,
  isShown,
  memoryNotes,
  overlaps,
  setTrace,
  type Tensor,
  type Trace,
  traceOf,
  tracing,
  type ViewGradient,
} from "../tensor/mod.ts";
import { backward } from "./backward.ts";
import { isRecording } from "./mode.ts";
import { type Differentiable, Leaf, type Node, Step } from "./node.ts";
import { Saved } from "./saved.ts";

/** What a tensor's handle holds. */
class HandleTrace implements Trace {
  node: Node | undefined;
  /** The node of the value before the last write, for the operation that wrote. */
  before: Node | undefined;
  /** The state of the memory when the node was made. */
  writes: number;

  constructor(node: Node, writes: number) {
    this.node = node;
    this.writes = writes;
    beginTracing();
  }

  get isLeaf(): boolean {
    return this.node instanceof Leaf;
  }

  get requiresGrad(): boolean {
    return this.node !== undefined;
  }

  get gradient(): Tensor | undefined {
    if (!(this.node instanceof Leaf)) return undefined;
    return this.node.gradient?.disposed === false ? this.node.gradient : undefined;
  }

  dropGradient(): void {
    if (!(this.node instanceof Leaf)) return;
    this.node.gradient?.dispose();
    this.node.gradient = undefined;
  }

  backward(tensor: Tensor, options: BackwardOptions): void {
    if (this.node === undefined) {
      throw new Error("Tensor.backward: the tensor was overwritten with what has no gradient");
    }
    backward(tensor, this.node, options);
  }

  wrote(operation: string): void {
    if (!isRecording()) return;
    if (this.node instanceof Leaf) {
      throw new Error(
        `${operation}: writes to a tensor that requires a gradient, whose value operations may ` +
          `need; call it inside of noGrad`,
      );
    }
    this.before?.release();
    this.before = this.node;
    this.node = undefined;
  }

  ended(): void {
    if (this.node instanceof Leaf) this.node.wanted = false;
    this.node?.release();
    this.before?.release();
    this.node = this.before = undefined;
  }
}

/** What a declaration calls the result where that is saved. */
export const RESULT = "the result";

function handleOf(tensor: Tensor): HandleTrace | undefined {
  return traceOf(tensor) as HandleTrace | undefined;
}

/** The operations whose gradient is known, and those that have none. */
const known = new Set<string>();

/**
 * Declares how an operation is differentiated.
 *
 * @param operation How.
 * @returns The same.
 */
export function differentiable<E = undefined>(operation: Differentiable<E>): Differentiable<E> {
  known.add(operation.operation);
  return operation;
}

/**
 * Declares operations that gradients never pass, since their results are steps, or no real
 * numbers; and those that are made of recorded ones.
 *
 * @param operations Their names.
 */
export function withoutGradient(...operations: string[]): void {
  for (const operation of operations) known.add(operation);
}

/**
 * Checks that an operand's history is true, and that the operation can be recorded.
 *
 * @param operation Named in the error.
 * @param name The operand's name, for the error.
 * @param tensor The operand.
 * @throws {Error} When gradients could not be right.
 */
export function checkTraced(operation: string, name: string, tensor: Tensor): void {
  const trace = handleOf(tensor);
  if (trace?.node === undefined || !isRecording()) return;
  if (!known.has(operation)) {
    throw new Error(
      `${operation}: ${name} requires a gradient, and there is none of ${operation}; use detach(), ` +
        `or noGrad`,
    );
  }
  if (trace.node instanceof Leaf) return;
  const memory = countedMemory(tensor);
  const { writes } = memory;
  if (writes < 0 || trace.writes < 0 || writes === trace.writes) return;
  const { writer } = memoryNotes(memory);
  throw new Error(
    `${operation}: ${name}, ${
      nameOf(tensor)
    }, was written by ${writer} in a way that its gradient ` +
      `cannot follow: inside of noGrad, or through another tensor that shows its memory`,
  );
}

/** What errors call a tensor. */
function nameOf({ dtype, shape }: Tensor): string {
  return `a Tensor ${dtype} ${formatShape(shape)}`;
}

/**
 * Whether an operation on these operands is to be recorded. To be asked before the result is
 * written, which may be one of them.
 *
 * @param a An operand; one that was left out wants nothing.
 * @param b Another.
 * @param c Another.
 * @param d Another.
 * @returns Whether one of them wants a gradient, outside of `noGrad`.
 */
export function isTracked(a?: Tensor, b?: Tensor, c?: Tensor, d?: Tensor): boolean {
  return tracing && (wants(a) || wants(b) || wants(c) || wants(d)) && isRecording();
}

/**
 * The same of operands in an array.
 *
 * @param operands The operands.
 * @returns Whether one of them wants a gradient, outside of `noGrad`.
 */
export function isAnyTracked(operands: readonly Tensor[]): boolean {
  return tracing && operands.some((operand) => wants(operand)) && isRecording();
}

/**
 * Whether an operand wants a gradient.
 *
 * @param tensor An operand; one that was left out wants nothing.
 * @returns Whether it has a history, or is a leaf.
 */
export function wants(tensor: Tensor | undefined): boolean {
  return tensor !== undefined && traceOf(tensor)?.requiresGrad === true;
}

/** What an operation notes for its gradient. */
export interface Notes<E> {
  /** Operands, in the order of the declaration; undefined for what is not needed. */
  readonly saved?: readonly (Tensor | undefined)[];
  /** Anything else. */
  readonly extra?: E;
}

/**
 * Records an operation.
 *
 * @param y Its result, written.
 * @param operation How it is differentiated.
 * @param operands What it was made from; `y` among them where it was changed in place.
 * @param notes What the gradient needs; `y` where {@linkcode RESULT} is declared to be saved.
 * @returns `y`.
 * @throws {Error} When the operand that is to be saved was overwritten with the result, or
 * another tensor shows the memory that was written.
 */
export function record<T extends Tensor, E = undefined>(
  y: T,
  operation: Differentiable<E>,
  operands: readonly (Tensor | undefined)[],
  notes: Notes<E> = {},
): T {
  if (isShown(y)) throw sharedError(operation.operation, y);
  const { saved = [], extra } = notes;
  for (let i = 0; i < saved.length; i++) {
    const operand = saved[i];
    if (operand === undefined || operation.saves[i] === RESULT) continue;
    if (overlaps(operand, y)) {
      throw new Error(
        `${operation.operation}: the result overwrote ${operation.saves[i]}, which the gradient ` +
          `needs; let it make a new tensor`,
      );
    }
  }
  attach(y, operation, operands, saved, extra as E);
  return y;
}

function sharedError(operation: string, y: Tensor): Error {
  return new Error(
    `${operation}: wrote what has a gradient into ${
      nameOf(y)
    } whose memory another tensor shows, ` +
      `which gradients cannot follow; let it make a new tensor, and put parts together with ` +
      `concatenate or stack`,
  );
}

function attach<E>(
  y: Tensor,
  operation: Differentiable<E>,
  operands: readonly (Tensor | undefined)[],
  saved: readonly (Tensor | undefined)[],
  extra: E,
): void {
  const inputs = operands.map((operand) => {
    if (operand === undefined) return undefined;
    const trace = handleOf(operand);
    return (operand === y ? trace?.before : trace?.node)?.retain();
  });
  const kept = saved.map((tensor) => tensor === undefined ? undefined : new Saved(tensor));
  setNode(y, new Step(operation, inputs, kept, extra));
}

/**
 * The node of a tensor's value.
 *
 * @param tensor The tensor.
 * @returns Nothing where the value has no history.
 */
export function nodeOf(tensor: Tensor): Node | undefined {
  return handleOf(tensor)?.node;
}

/**
 * Gives a tensor's value another history.
 *
 * @param tensor The tensor.
 * @param node Its node from now on, whose one reference is taken over.
 */
export function setNode(tensor: Tensor, node: Node): void {
  handleOf(tensor)?.ended();
  setTrace(tensor, new HandleTrace(node, countedMemory(tensor).writes));
}

function viewStep(operation: string, gradient: ViewGradient): Differentiable<undefined> {
  return { operation, saves: [], backward: (own) => [gradient(own)] };
}

installRecorder({
  leaf(tensor) {
    if (!isFloating(tensor.dtype)) {
      throw new TypeError(`Tensor.requiresGrad: ${tensor.dtype} has no gradient`);
    }
    return new HandleTrace(new Leaf(tensor), -1);
  },
  derived(source, result, operation, gradient) {
    if (!isTracked(source)) return;
    try {
      checkTraced(operation, "the tensor", source);
    } catch (error) {
      result.dispose();
      throw error;
    }
    attach(result, viewStep(operation, gradient), [source], [], undefined);
  },
  copied(source, target, operation, gradient) {
    if (!isTracked(source)) return;
    record(target, viewStep(operation, gradient), [source]);
  },
});

withoutGradient(
  ...["reshape", "slice", "transpose", "unsqueeze", "squeeze", "broadcastTo", "diagonal"]
    .concat("contiguous", "clone", "copyFrom")
    .map((name) => `Tensor.${name}`),
);
