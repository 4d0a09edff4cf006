/**
 * The walk from a value back to the leaves that it was made from: from the operation that
 * was recorded last to the first, so that a node has all of its gradient when it is passed.
 */
import { formatShape, sameShape } from "../core/shape.ts";
import { isPlain } from "../core/dtype.ts";
import { type BackwardOptions, Tensor } from "../tensor/mod.ts";
import { unrecorded } from "./mode.ts";
import { Leaf, type Node, Step } from "./node.ts";

/**
 * Computes gradients.
 *
 * @param tensor Where to begin.
 * @param root Its node.
 * @param options The gradient to begin with.
 */
export function backward(tensor: Tensor, root: Node, options: BackwardOptions): void {
  const { retain = false } = options;
  const order = inOrder(reachable(root));
  for (const node of order) node.check();
  start(root, firstGradient(tensor, options.gradient), order, retain);
}

/**
 * Computes the gradients of a part of the graph, and passes them to the nodes at its ends,
 * which the walk around this one passes.
 *
 * @param root Where to begin.
 * @param gradient That of its value; taken over.
 * @param ends Where to stop.
 */
export function backwardTo(root: Node, gradient: Tensor, ends: ReadonlySet<Node>): void {
  const inside = [...reachable(root, (node) => ends.has(node))].filter((node) => !ends.has(node));
  start(root, gradient, inOrder(inside), false);
}

function start(root: Node, gradient: Tensor, order: readonly Node[], retain: boolean): void {
  // What is walked holds itself: a backward may dispose of the handles.
  for (const node of order) node.retain();
  try {
    root.receive(gradient);
    unrecorded(walk, order, retain);
  } finally {
    for (const node of order) {
      node.abandon();
      node.release();
    }
  }
}

function walk(order: readonly Node[], retain: boolean): void {
  for (const node of order) node.pass(retain);
}

/**
 * All nodes that lead to a value.
 *
 * @param root The value's.
 * @param isEnd Whether what led to a node is of no interest.
 * @returns The nodes, in no order.
 */
export function reachable(root: Node, isEnd = (_: Node) => false): Set<Node> {
  const seen = new Set<Node>([root]);
  for (const node of seen) {
    if (isEnd(node)) continue;
    for (const input of node.inputs) if (input !== undefined) seen.add(input);
  }
  return seen;
}

/** The last recorded first, leaves at the end. */
function inOrder(nodes: Iterable<Node>): Node[] {
  const all = [...nodes];
  const steps = all.filter((node) => node instanceof Step).sort((a, b) => b.serial - a.serial);
  return [...steps, ...all.filter((node) => node instanceof Leaf)];
}

function firstGradient(tensor: Tensor, given: Tensor | undefined): Tensor {
  const { shape, dtype } = tensor;
  if (given === undefined) {
    if (tensor.size !== 1 || !isPlain(dtype)) {
      throw new RangeError(
        `Tensor.backward: a Tensor ${dtype} ${formatShape(shape)} is not one number: sum it up ` +
          `first, or pass the gradient to begin with`,
      );
    }
    return Tensor.ones(shape, dtype);
  }
  if (!(given instanceof Tensor) || given.dtype !== dtype || !sameShape(given.shape, shape)) {
    throw new RangeError(
      `Tensor.backward: the gradient must be a Tensor ${dtype} ${
        formatShape(shape)
      }, as the tensor`,
    );
  }
  return given.clone();
}
