/**
 * The graph of recorded operations: one node for each value of which gradients are wanted.
 *
 *     Tensor x ──▶ leaf ◀─────────┐ inputs
 *     Tensor y ──▶ node "exp" ────┘       a node is held by the handle of its value and by
 *     Tensor z ──▶ node "mul" ──▶ …       the nodes that were made from it, and is counted
 *
 * When neither is left, what the node saved goes back to the pool at once: a value that
 * was made and disposed of without a gradient leaves nothing behind. Nodes are numbered
 * in the order in which they are made, so that of two the later never leads to the earlier.
 */
import { leaveScope } from "../memory/mod.ts";
import { isShown, type Tensor } from "../tensor/mod.ts";
import { accumulate, own } from "./accumulate.ts";
import { Saved } from "./saved.ts";

/** Gradients, or nothing where none is wanted. */
export type Gradients = readonly (Tensor | undefined)[];

/** How the gradient of an operation's result becomes those of its operands. */
export interface Differentiable<E = unknown> {
  /** The exported function's name. */
  readonly operation: string;
  /** What the saved tensors are called, for errors. */
  readonly saves: readonly string[];
  /**
   * Computes the gradients. Runs without being recorded.
   *
   * @param gradient That of the result, in its shape and dtype, of any strides; borrowed.
   * @param saved What was saved, in the order of `saves`; borrowed.
   * @param call Which operands want a gradient, and what else the operation noted.
   * @returns One for each operand: a new tensor in its shape and dtype, or `gradient` itself, or
   * the operand's sum of `call.sums` that it was added to, or undefined where none is wanted.
   */
  backward(gradient: Tensor, saved: readonly Tensor[], call: Call<E>): Gradients;
}

/** What a node tells the backward of its operation. */
export interface Call<E> {
  /** Whether an operand wants a gradient. */
  readonly wants: readonly boolean[];
  /**
   * For each operand the gradient that other operations gave it before in this walk, where there
   * is one that may be added to: dense, of the operand's shape and dtype, seen by nobody else. An
   * operation that can adds to it, which saves a tensor and a pass over it, and returns it.
   */
  readonly sums: Gradients;
  /** What the operation noted. */
  readonly extra: E;
}

const nothing: readonly never[] = [];

/** Base of leaves and recorded operations. */
export abstract class Node {
  #references = 1;
  /** The sum of the gradients that came so far, in one walk. */
  protected pending: Tensor | undefined;

  /** What it was made from. */
  abstract readonly inputs: readonly (Node | undefined)[];

  /** Counts one more holder. */
  retain(): this {
    this.#references++;
    return this;
  }

  /** Counts one holder less. The last takes along what nobody else holds. */
  release(): void {
    // A list, since a chain of nodes may be longer than the stack is deep.
    const waiting: Node[] = [this];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (--node.#references > 0) continue;
      for (const input of node.inputs) if (input !== undefined) waiting.push(input);
      node.end();
    }
  }

  /**
   * Takes a gradient over.
   *
   * @param gradient Of the value's shape and dtype; the sum itself where it was added there.
   */
  receive(gradient: Tensor): void {
    const { pending } = this;
    if (pending === gradient) return;
    this.pending = undefined;
    this.pending = pending === undefined ? gradient : accumulate(pending, gradient);
  }

  /** The sum so far, where an operation may add to it. */
  get sum(): Tensor | undefined {
    const { pending } = this;
    return pending?.isContiguous === true && !isShown(pending) ? pending : undefined;
  }

  /** Forgets the gradients of a walk that failed. */
  abandon(): void {
    this.pending?.dispose();
    this.pending = undefined;
  }

  /** Whether a walk can pass. */
  abstract check(): void;

  /** Passes the gradient on to the inputs, or keeps it. */
  abstract pass(retain: boolean): void;

  /** Gives back what the node holds. */
  protected abstract end(): void;
}

/** A value that the program gave, whose gradient it wants to have. */
export class Leaf extends Node {
  readonly inputs = nothing;
  /** The sum over all walks. */
  gradient: Tensor | undefined;
  /** Whether the tensor is still there to show it. */
  wanted = true;
  readonly #tensor: WeakRef<Tensor>;

  /**
   * Makes the node of a tensor.
   *
   * @param tensor The tensor, which does not stay for the node's sake.
   */
  constructor(tensor: Tensor) {
    super();
    this.#tensor = new WeakRef(tensor);
  }

  /** The tensor, while the program has it. */
  get tensor(): Tensor | undefined {
    return this.#tensor.deref();
  }

  override check(): void {}

  override pass(): void {
    const fresh = this.pending;
    this.pending = undefined;
    if (fresh === undefined) return;
    if (!this.wanted) return fresh.dispose();
    const before = this.gradient?.disposed === false ? this.gradient : undefined;
    this.gradient = undefined;
    this.gradient = before === undefined ? own(fresh) : accumulate(before, fresh);
    leaveScope(this.gradient);
  }

  protected override end(): void {
    this.gradient?.dispose();
    this.gradient = undefined;
  }
}

/** A recorded operation. */
export class Step<E> extends Node {
  readonly serial = ++steps;
  readonly operation: Differentiable<E>;
  inputs: readonly (Node | undefined)[];
  #saved: readonly (Saved | undefined)[];
  #extra: E;
  #spent = false;

  /**
   * Records an operation.
   *
   * @param operation Which.
   * @param inputs The nodes of its operands; their references pass to the step.
   * @param saved What it needs later; undefined for what will not be asked for.
   * @param extra What else.
   */
  constructor(
    operation: Differentiable<E>,
    inputs: readonly (Node | undefined)[],
    saved: readonly (Saved | undefined)[],
    extra: E,
  ) {
    super();
    this.operation = operation;
    this.inputs = inputs;
    this.#saved = saved;
    this.#extra = extra;
  }

  override check(): void {
    if (!this.#spent) return;
    const { operation } = this.operation;
    throw new Error(
      `backward: what ${operation} kept went back to the pool when gradients were computed from ` +
        `its result before; pass { retain: true } there`,
    );
  }

  override pass(retain: boolean): void {
    const gradient = this.pending;
    this.pending = undefined;
    try {
      if (gradient !== undefined) this.#send(gradient);
    } finally {
      if (!retain) this.#spend();
    }
  }

  #send(gradient: Tensor): void {
    const { operation, backward, saves } = this.operation;
    let passedOn = false;
    try {
      const saved = this.#saved.map((each, i) => each?.read(operation, saves[i]) as Tensor);
      const wants = this.inputs.map((input) => input !== undefined);
      const sums = this.inputs.map((input) => input?.sum);
      const gradients = backward(gradient, saved, { wants, sums, extra: this.#extra });
      // The last input that gets the gradient itself gets the handle, those before it views.
      const last = gradients.findLastIndex((each, i) => each === gradient && wants[i]);
      for (let i = 0; i < gradients.length; i++) {
        const [input, own] = [this.inputs[i], gradients[i]];
        if (own !== gradient) {
          if (input === undefined) own?.dispose();
          else if (own !== undefined) input.receive(own);
        } else if (input !== undefined) {
          passedOn = i === last;
          input.receive(passedOn ? gradient : gradient.detach());
        }
      }
    } finally {
      if (!passedOn) gradient.dispose();
    }
  }

  #spend(): void {
    this.#spent = true;
    for (const saved of this.#saved) saved?.release();
    this.#saved = nothing;
  }

  protected override end(): void {
    this.#spend();
    this.inputs = nothing;
  }
}

/**
 * An operand that stands for a value outside of a function that runs again: gradients go
 * straight on to the node out there, which a walk through the function does not pass.
 */
export class Passage extends Node {
  readonly inputs = nothing;
  readonly #outside: Node;

  /**
   * Opens the way.
   *
   * @param outside Where gradients go; the caller's reference stays the caller's.
   */
  constructor(outside: Node) {
    super();
    this.#outside = outside.retain();
  }

  /** Where gradients go. */
  get outside(): Node {
    return this.#outside;
  }

  override get sum(): Tensor | undefined {
    return this.#outside.sum;
  }

  override receive(gradient: Tensor): void {
    this.#outside.receive(gradient);
  }

  override check(): void {}

  override pass(): void {}

  protected override end(): void {
    this.#outside.release();
  }
}

let steps = 0;

/**
 * The number of the operation that was recorded last.
 *
 * @returns 0 before the first.
 */
export function lastSerial(): number {
  return steps;
}
