/**
 * The gradient of attention, composed of other operations, where no kernel computes it: in
 * float64 and with a mask. Scores and probabilities are computed again, for one block of
 * queries of one sequence at a time and all of its heads at once: with `p` the probabilities
 * and `g` the gradient of the result,
 *
 *     dv = pᵀ · g      ds = p · (g · vᵀ - sum(p · (g · vᵀ)))      dq = ds · k      dk = dsᵀ · q
 *
 * The query heads that one key head serves lie below each other, as rows of one matrix. A
 * block holds as many queries as its scores may take room, so that memory grows with the
 * number of keys alone.
 */
import type { Floating } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { scope } from "../memory/mod.ts";
import { sumTo, Tensor } from "../tensor/mod.ts";
import { add, sub } from "./arithmetic.ts";
import { equal, greater, less, logicalOr, notEqual } from "./comparison.ts";
import { addInPlace } from "./in_place.ts";
import { matmul } from "./matmul.ts";
import { scoresGradient, softmax } from "./softmax.ts";
import { where } from "./where.ts";

type Real = Tensor<Floating>;
type Bool = Tensor<"bool">;

/** The operands of a call, or of one sequence; the mask may be of bool or int32. */
export interface AttentionOperands {
  readonly q: Real;
  readonly k: Real;
  readonly v: Real;
  readonly mask: Tensor | undefined;
}

/** Gradients in the shapes of the operands; left out where none is wanted. */
export type AttentionGradients = Partial<Record<keyof AttentionOperands, Real>>;

/** What a call noted besides its operands. */
export interface AttentionCall {
  /** The result's shape. */
  readonly shape: Shape;
  readonly causal: boolean;
  /** The most keys that a query sees; 0 when there is no limit. */
  readonly window: number;
  readonly scale: number;
  /** How many keys are in use in each sequence; a number is for all. */
  readonly keyTokens: number | undefined;
  /** How many segments there are; 0 for none. */
  readonly segments: number;
}

/** A sequence without a batch: what is read, and where its gradients are added. */
interface Sequence {
  readonly operands: AttentionOperands;
  readonly gradients: AttentionGradients;
  readonly g: Real;
}

/** How many scores a block has at most, unless one query alone has more. */
const BLOCK_SCORES = 2 ** 20;

/**
 * Computes the gradients.
 *
 * @param g That of the result, of any strides.
 * @param operands The operands.
 * @param lengths Keys in use, or offsets of segments.
 * @param wanted The names of the operands that want a gradient.
 * @param call What else there was.
 * @returns New tensors.
 */
export function attentionGradients(
  g: Real,
  operands: AttentionOperands,
  lengths: Tensor | undefined,
  wanted: readonly (keyof AttentionOperands)[],
  call: AttentionCall,
): AttentionGradients {
  return scope(() => {
    const gradients: AttentionGradients = {};
    for (const name of wanted) {
      const { shape } = operands[name] as Tensor;
      gradients[name] = Tensor.zeros(shape, g.dtype);
    }
    const numbers = lengths === undefined ? [] : [lengths.toArray()].flat(16) as number[];
    const whole = { operands, gradients, g };
    if (call.segments !== 0) {
      for (let i = 0; i + 1 < numbers.length; i++) {
        const [first, last] = [numbers[i], numbers[i + 1]];
        scope(() => addSequence(cut(whole, first, last, first, last), call));
      }
      return gradients;
    }
    const batch = call.shape.slice(0, -3);
    let index = 0;
    for (const place of placesOf(batch)) {
      const keys = numbers[index++] ?? call.keyTokens;
      scope(() => {
        const one = sequenceAt(whole, place);
        const tokens = one.g.shape[0];
        addSequence(keys === undefined ? one : cut(one, 0, tokens, 0, keys), call);
      });
    }
    return gradients;
  });
}

/** All indices of a shape, in order. */
function* placesOf(shape: Shape): Generator<number[]> {
  const [size, ...rest] = shape;
  if (size === undefined) return yield [];
  for (let i = 0; i < size; i++) {
    for (const inner of placesOf(rest)) yield [i, ...inner];
  }
}

/** Applies a function to all tensors of a sequence. */
function mapped(
  { operands, gradients, g }: Sequence,
  change: <T extends Tensor>(x: T, name: keyof AttentionOperands) => T,
): Sequence {
  const of = <T extends Tensor>(x: T | undefined, name: keyof AttentionOperands) =>
    x === undefined ? undefined : change(x, name);
  const { q, k, v, mask } = operands;
  return {
    operands: {
      q: change(q, "q"),
      k: change(k, "k"),
      v: change(v, "v"),
      mask: of(mask, "mask"),
    },
    gradients: {
      q: of(gradients.q, "q"),
      k: of(gradients.k, "k"),
      v: of(gradients.v, "v"),
      mask: of(gradients.mask, "mask"),
    },
    g: change(g, "q"),
  };
}

/** One sequence of a batch; what is broadcast is shown to each. */
function sequenceAt(whole: Sequence, place: readonly number[]): Sequence {
  return mapped(whole, (x) => {
    let view: Tensor = x;
    const skipped = place.length + 3 - x.shape.length;
    for (let axis = Math.max(skipped, 0); axis < place.length; axis++) {
      const index = view.shape[0] === 1 ? 0 : place[axis];
      view = view.slice(index, index + 1).squeeze(0);
    }
    while (view.shape.length < 3) view = view.unsqueeze(0);
    return view as typeof x;
  });
}

/** Parts of a sequence. */
function cut(
  sequence: Sequence,
  first: number,
  last: number,
  firstKey: number,
  lastKey: number,
): Sequence {
  return mapped(sequence, (x, name) => {
    if (name === "q") return x.slice(first, last) as typeof x;
    if (name !== "mask") return x.slice(firstKey, lastKey) as typeof x;
    let view: Tensor = x;
    while (view.shape.length < 3) view = view.unsqueeze(0);
    if (view.shape[1] !== 1) view = view.slice(first, last, { axis: 1 });
    if (view.shape[2] !== 1) view = view.slice(firstKey, lastKey, { axis: 2 });
    return view as typeof x;
  });
}

/** Adds the gradients of a sequence, block by block. */
function addSequence(sequence: Sequence, call: AttentionCall): void {
  const [tokens, heads] = sequence.operands.q.shape;
  const keys = sequence.operands.k.shape[0];
  const offset = Math.max(keys - tokens, 0);
  const step = Math.max(1, Math.floor(BLOCK_SCORES / Math.max(heads * keys, 1)));
  for (let first = 0; first < tokens; first += step) {
    const last = Math.min(first + step, tokens);
    const firstKey = seenBy(offset + first, keys, call)[0];
    const lastKey = seenBy(offset + last - 1, keys, call)[1];
    if (firstKey >= lastKey) continue;
    scope(() => {
      const block = cut(sequence, first, last, firstKey, lastKey);
      addBlock(block, offset + first - firstKey, call);
    });
  }
}

/** The keys that the query at a position sees: from the first to before the second. */
function seenBy(
  position: number,
  keys: number,
  { causal, window }: AttentionCall,
): [first: number, end: number] {
  const end = causal ? Math.min(position + 1, keys) : keys;
  if (window === 0) return [0, end];
  const first = position - keysBefore(window, causal);
  return [Math.max(first, 0), Math.min(end, first + window)];
}

/** How many keys before its own a query sees. */
function keysBefore(window: number, causal: boolean): number {
  return causal ? window - 1 : Math.floor(window / 2);
}

/** Adds the gradients of a block; its first query is at `position`, counted from its first key. */
function addBlock({ operands, gradients, g }: Sequence, position: number, call: AttentionCall) {
  const { q, k, v, mask } = operands;
  const [tokens, heads, headSize] = q.shape;
  const [keys, keyHeads] = k.shape;
  const { scale } = call;
  const rows = heads / keyHeads * tokens;
  const byHead = (x: Real) => x.transpose(1, 0, 2).reshape([keyHeads, rows, headSize]);
  const [queries, slopes] = [byHead(q), byHead(g)];
  const products = matmul(queries, k.transpose(1, 2, 0), { alpha: scale });
  const raw = products.reshape([heads, tokens, keys]);
  const hidden = hiddenKeys(operands, position, call);
  const scores = maskedScores(raw, mask, hidden);
  const isMasked = scores !== raw;
  const visible = isMasked ? notEqual(scores, -Infinity) : undefined;
  const p = cleared(softmax(scores), visible);
  const matrices = (x: Real) => x.reshape([keyHeads, rows, keys]);
  if (gradients.v !== undefined) {
    const own = matmul(matrices(p).transpose(0, 2, 1), slopes);
    addInPlace(gradients.v, own.transpose(1, 0, 2));
  }
  const worth = matmul(slopes, v.transpose(1, 2, 0)).reshape([heads, tokens, keys]);
  const ds = scoresGradient(cleared(worth, visible), p);
  if (gradients.mask !== undefined) addInPlace(gradients.mask, sumTo(ds, gradients.mask.shape));
  if (gradients.q !== undefined) {
    const own = matmul(matrices(ds), k.transpose(1, 0, 2), { alpha: scale });
    addInPlace(gradients.q, own.reshape([heads, tokens, headSize]).transpose(1, 0, 2));
  }
  if (gradients.k !== undefined) {
    const own = matmul(matrices(ds).transpose(0, 2, 1), queries, { alpha: scale });
    addInPlace(gradients.k, own.transpose(1, 0, 2));
  }
}

/** 0 where nothing is seen, whatever is there. */
function cleared(x: Real, visible: Bool | undefined): Real {
  return visible === undefined ? x : where(visible, x, Tensor.zeros([], x.dtype));
}

function maskedScores(scores: Real, mask: Tensor | undefined, hidden: Bool | undefined): Real {
  const isAdded = mask !== undefined && mask.dtype === scores.dtype;
  const shifted = isAdded ? add(scores, mask as Real) : scores;
  if (hidden === undefined) return shifted;
  return where(hidden, Tensor.full([], -Infinity, scores.dtype), shifted);
}

/** Which keys a block's queries do not see, but for a mask that is added. */
function hiddenKeys(
  { q, k, mask }: AttentionOperands,
  position: number,
  { causal, window }: AttentionCall,
): Bool | undefined {
  const [tokens, keys] = [q.shape[0], k.shape[0]];
  const all: Bool[] = [];
  if (mask !== undefined && mask.dtype !== q.dtype) all.push(equal(mask as Tensor<"int32">, 0));
  if (causal || window !== 0) {
    const own = Tensor.arange(position, position + tokens, 1, "int32").unsqueeze(1);
    const key = Tensor.arange(0, keys, 1, "int32");
    const distance = sub(key, own);
    if (causal) all.push(greater(distance, 0));
    const before = keysBefore(window, causal);
    if (window !== 0) all.push(less(distance, -before));
    if (window !== 0 && !causal) all.push(greater(distance, window - 1 - before));
  }
  return all.length === 0 ? undefined : all.reduce((a, b) => logicalOr(a, b));
}
