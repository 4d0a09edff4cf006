/**
 * Gradients that cost time instead of memory (Chen et al., 2016): of what a function computes
 * only its result stays, and it runs a second time when the gradient is asked for.
 *
 *     x ──▶ [ … ten operations … ] ──▶ y        one node: it holds x and the function
 *              ▲ weight
 *
 * In the second run the operands are views whose nodes are passages: gradients go through
 * them straight to the nodes outside, in the order in which they would have come without
 * this, so that sums of gradients have the same bits.
 */
import { sameShape } from "../core/shape.ts";
import { scope } from "../memory/mod.ts";
import { endedError, Tensor } from "../tensor/mod.ts";
import { noting, repeating } from "./draws.ts";
import { backwardTo, reachable } from "./backward.ts";
import { recorded } from "./mode.ts";
import { type Call, type Gradients, lastSerial, Leaf, type Node, Passage, Step } from "./node.ts";
import { checkTraced, nodeOf, setNode, withoutGradient } from "./record.ts";
import { Saved } from "./saved.ts";

const OPERATION = "checkpoint";
withoutGradient(OPERATION);

/** A function, and where the gradients of what it uses go. */
interface Replay {
  readonly fn: (...inputs: Tensor[]) => Tensor;
  /** What it drew. */
  readonly draws: number[];
  /** The nodes of its arguments; undefined for those that want no gradient. */
  readonly nodes: readonly (Node | undefined)[];
  /** All nodes outside of it that it used. */
  readonly outside: ReadonlySet<Node>;
}

/**
 * Runs a function of which nothing is kept for gradients but its arguments: it runs again
 * when they are computed. Gradients reach the arguments and every leaf that the function
 * uses; they have the same bits as without this.
 *
 * Both runs must compute the same: random operations take a seed (the layers of `./nn` make
 * the same choices again by themselves), and what the function
 * takes from around itself must be there, unchanged, until the gradients were computed. What
 * it makes and does not return is disposed of.
 *
 * @param fn Made of operations on tensors; not asynchronous.
 * @param inputs Its arguments, which may be disposed of afterwards.
 * @returns What the function returned.
 * @throws {Error} When the function writes to an argument.
 *
 * @example
 * ```ts
 * import { checkpoint, mul, sum, tanh, Tensor } from "@quern/quern";
 *
 * using weight = Tensor.from([1, 2]);
 * weight.requiresGrad = true;
 * using x = Tensor.from([3, 4]);
 * using y = checkpoint((x) => tanh(mul(x, weight)), x);
 * using total = sum(y);
 * total.backward();
 * console.log(weight.grad?.shape); // [2]
 * ```
 */
export function checkpoint<A extends Tensor[], R extends Tensor>(
  fn: (...inputs: A) => R,
  ...inputs: A
): R {
  inputs.forEach(checkInput);
  const nodes = inputs.map(nodeOf);
  const before = lastSerial();
  const held = inputs.map((input) => new Saved(input));
  const draws: number[] = [];
  let isRecorded = false;
  try {
    return scope(() => {
      const result = noting(draws, () => call(fn, viewsOf(inputs, nodes)));
      checkUnchanged(held);
      isRecorded = record(
        result,
        { fn: fn as unknown as Replay["fn"], draws, nodes, before },
        held,
      );
      return result;
    });
  } finally {
    if (!isRecorded) { for (const saved of held) saved.release(); }
  }
}

function nameOf(index: number): string {
  return `argument ${index}`;
}

function checkInput(input: Tensor, index: number): void {
  const name = nameOf(index);
  if (!(input instanceof Tensor)) throw new TypeError(`${OPERATION}: ${name} is no tensor`);
  if (input.disposed) throw endedError(input, OPERATION, name);
  checkTraced(OPERATION, name, input);
}

function checkUnchanged(held: readonly Saved[]): void {
  const changed = held.findIndex((saved) => saved.isChanged);
  if (changed < 0) return;
  throw new Error(
    `${OPERATION}: the function wrote to ${nameOf(changed)}, which it needs once more for the ` +
      `gradients; let it make a new tensor`,
  );
}

/** What a function is called with, so that it cannot end its arguments. */
function viewsOf(inputs: readonly Tensor[], nodes: readonly (Node | undefined)[]): Tensor[] {
  return inputs.map((input, i) => {
    const view = input.detach();
    const node = nodes[i];
    if (node !== undefined) setNode(view, new Passage(node));
    return view;
  });
}

function call<A extends Tensor[], R extends Tensor>(fn: (...inputs: A) => R, views: Tensor[]): R {
  const result = fn(...views as A);
  if (result instanceof Tensor) return result;
  throw new TypeError(`${OPERATION}: the function returned no tensor; it must not be asynchronous`);
}

/**
 * Puts one node in the place of all that the function recorded.
 *
 * @param result What the function returned.
 * @param run The function, the nodes of its arguments, and what was recorded before it.
 * @param held Its arguments, which pass to the node.
 * @returns Whether there was anything to record.
 */
function record(
  result: Tensor,
  { fn, draws, nodes, before }: Pick<Replay, "fn" | "draws" | "nodes"> & { before: number },
  held: readonly Saved[],
): boolean {
  const root = nodeOf(result);
  if (root === undefined || isOld(root, before)) return false;
  const outside = outsideOf(root, before);
  const leaves = [...outside].filter((node) => node instanceof Leaf && !nodes.includes(node));
  const tensors = leaves.map((leaf) => tensorOf(leaf as Leaf));
  const saves = [...held.map((_, i) => nameOf(i)), ...tensors.map(() => "a leaf")];
  const step = new Step<Replay>(
    { operation: OPERATION, saves, backward: replay },
    [...outside].map((node) => node.retain()),
    [...held, ...tensors.map((tensor) => new Saved(tensor))],
    { fn, draws, nodes: nodes.map((node) => outside.has(node!) ? node : undefined), outside },
  );
  setNode(result, step);
  return true;
}

/** Whether a node was there before the function ran. */
function isOld(node: Node, before: number): boolean {
  return node instanceof Leaf || node instanceof Step && node.serial <= before;
}

/** The nodes that a function's result leads to, outside of the function. */
function outsideOf(root: Node, before: number): Set<Node> {
  const found = new Set<Node>();
  reachable(root, (node) => {
    if (node instanceof Passage) found.add(node.outside);
    else if (isOld(node, before)) found.add(node);
    else return false;
    return true;
  });
  return found;
}

function tensorOf(leaf: Leaf): Tensor {
  const { tensor } = leaf;
  if (tensor?.disposed === false) return tensor;
  throw new Error(
    `${OPERATION}: the function disposed of a leaf, or made it, so that it cannot run again with it`,
  );
}

/** Runs the function again, and passes the gradients on to what is outside of it. */
function replay(
  gradient: Tensor,
  inputs: readonly Tensor[],
  { extra: { fn, draws, nodes, outside } }: Call<Replay>,
): Gradients {
  const before = lastSerial();
  const result = scope(() =>
    recorded(() => repeating(draws, () => call(fn, viewsOf(inputs.slice(0, nodes.length), nodes))))
  );
  const root = nodeOf(result);
  if (root === undefined || isOld(root, before)) throw differentError();
  try {
    if (result.dtype !== gradient.dtype || !sameShape(result.shape, gradient.shape)) {
      throw differentError();
    }
    const ends = outsideOf(root, before);
    for (const node of ends) if (!outside.has(node)) throw differentError();
    backwardTo(root, gradient.detach(), ends);
  } finally {
    result.dispose();
  }
  return [];
}

function differentError(): Error {
  return new Error(
    `backward: a function that ${OPERATION} ran computed something else the second time: give ` +
      `random operations a seed, and change nothing that it uses`,
  );
}
