/**
 * What `deno task bench:peers` measures: the one list of cases that every contender is
 * given. A case is plain data, since it goes to other programs as JSON.
 *
 * Every contender computes on the same numbers, so that results can be compared before
 * times are: operand number n of a case, counted from 1, is `fill(n)` of `worker.mjs` and
 * `worker.py`. In what order operands are counted stands at each family.
 *
 * @module
 */

import { blockFamily } from "../../lib/cli/bench/block_cases.ts";
import { matmulFamily } from "../../lib/cli/bench/matmul_cases.ts";
import { normFamily } from "../../lib/cli/bench/row_cases.ts";

/** Operations that are measured alike and shown in one table. */
export type Family =
  | "gemm"
  | "layer_norm"
  | "softmax"
  | "gelu"
  | "add"
  | "attention"
  | "block"
  | "train";

/** One operation at one shape. */
export interface BenchCase {
  readonly family: Family;
  /** What stands in tables, unique within its family. */
  readonly label: string;
  /**
   * gemm: rows, columns, inner size. attention: heads, tokens, head size. block: tokens,
   * channels, heads. train: layers, channels, heads, tokens, batch, vocabulary. The others: the
   * shape of the operand, whose last axis is worked on.
   */
  readonly shape: readonly number[];
  /** gemm: whether W is [inner, columns] ("NN") or as a linear layer holds it ("NT"). */
  readonly layout?: "NN" | "NT";
  /** gelu: as PyTorch names the two forms. */
  readonly approximate?: "tanh" | "none";
}

/** How speed is shown. */
export type Unit = "GFLOP/s" | "G elements/s" | "ms";

/** What is said of a family. */
export interface FamilyNote {
  readonly family: Family;
  readonly title: string;
  readonly unit: Unit;
  /** What one operation is, and how the contenders differ in it. */
  readonly note: string;
  /** Whether each case has processes of its own, whose peak of memory is told. */
  readonly isAlone?: boolean;
}

/**
 * The families in the order of the tables. Operands: gemm A, W; layer_norm x, weight − 1,
 * bias; softmax and gelu x; add x, y; attention q, k, v as [tokens, heads, head size];
 * block as `lib/cli/bench/block_cases.ts` makes them; train as `training_step.ts` does.
 */
export const FAMILIES: readonly FamilyNote[] = [{
  family: "gemm",
  title: "Matrix products",
  unit: "GFLOP/s",
  note:
    "A [M, K] times W, which the squares hold as [K, N] and the others as [N, K], as a linear " +
    "layer does. `linear` keeps its weight packed, as onnxruntime does with a constant; `matmul` " +
    "and the other peers are given both anew, and `matmul` is compared with those only.",
}, {
  family: "layer_norm",
  title: "Layer normalisation",
  unit: "G elements/s",
  note: "Over the last axis, with weight and bias. numpy, tfjs and numpy-ts have no such " +
    "operation: theirs is composed of means, squares and products.",
}, {
  family: "softmax",
  title: "Softmax",
  unit: "G elements/s",
  note: "Over the last axis. numpy and numpy-ts compose it.",
}, {
  family: "gelu",
  title: "GELU",
  unit: "G elements/s",
  note: "numpy, tfjs and numpy-ts compose it; numpy and numpy-ts have no erf.",
}, {
  family: "add",
  title: "Addition in place",
  unit: "G elements/s",
  note:
    "x += y. onnxruntime, which knows no such thing, writes into a third tensor that is there; " +
    "tfjs makes one.",
}, {
  family: "attention",
  title: "Attention",
  unit: "ms",
  note:
    "Without a mask. torch is `scaled_dot_product_attention` on contiguous heads, onnxruntime " +
    "its `MultiHeadAttention`; numpy composes it.",
}, {
  family: "block",
  title: "Pre-norm transformer blocks",
  unit: "ms",
  note: "One forward pass, GELU by tanh, no mask. torch runs eagerly; the model of onnxruntime " +
    "has one node for each layer normalisation, linear layer, attention and GELU.",
}, {
  family: "train",
  title: "Training steps",
  unit: "ms",
  note:
    "A GPT with learned positions, GELU by erf, a tied head and no biases: loss, gradients and " +
    "a step of AdamW. torch runs eagerly, with the faster of AdamW fused and not. Each case has a " +
    "process of its own; its peak is the most memory that was resident (`VmHWM`), with " +
    "everything that the process loads.",
  isAlone: true,
}];

const MILLION = 2 ** 20;

/** Every case, in the order of the tables. */
export const CASES: readonly BenchCase[] = [
  ...matmulFamily.usual.map(gemm),
  ...normFamily.usual.map((shape) => sized("layer_norm", shape)),
  ...[[128, 128], [12, 128, 128], [512, 4096]].map((shape) => sized("softmax", shape)),
  { family: "gelu", label: "tanh, 1M", shape: [MILLION], approximate: "tanh" },
  { family: "gelu", label: "erf, 1M", shape: [MILLION], approximate: "none" },
  { family: "add", label: "1M", shape: [MILLION] },
  ...[128, 1024].map((tokens): BenchCase => ({
    family: "attention",
    label: `12 heads of 64, T=${tokens}`,
    shape: [12, tokens, 64],
  })),
  ...blockFamily.usual.map(([tokens, dim, heads]): BenchCase => ({
    family: "block",
    label: `d=${dim} h=${heads} T=${tokens}`,
    shape: [tokens, dim, heads],
  })),
  ...[[4, 128, 4, 64, 12, 65], [6, 384, 6, 256, 8, 65]].map((shape): BenchCase => ({
    family: "train",
    label: `${shape[0]} layers of ${shape[1]}, ${shape[4]}×${shape[3]} tokens`,
    shape,
  })),
];

function gemm(shape: readonly number[]): BenchCase {
  const [rows, cols, inner] = shape;
  const layout = rows === cols && cols === inner ? "NN" : "NT";
  return { family: "gemm", label: shape.join("×"), shape, layout };
}

function sized(family: Family, shape: readonly number[]): BenchCase {
  return { family, label: shape.join("×"), shape };
}

/** What names a case: `gemm 64×64×64`. */
export function caseId({ family, label }: BenchCase): string {
  return `${family} ${label}`;
}

/**
 * The cases whose name contains one of some texts; all when there are no texts. `x` may be
 * written for `×`.
 */
export function chooseCases(texts: readonly string[]): readonly BenchCase[] {
  if (texts.length === 0) return CASES;
  const wanted = texts.map((text) => text.replaceAll(/(?<=\d)x/g, "×"));
  return CASES.filter((one) => wanted.some((text) => caseId(one).includes(text)));
}

/** What is said of a case's family. */
export function familyOf(family: Family): FamilyNote {
  const found = FAMILIES.find((one) => one.family === family);
  if (found === undefined) throw new RangeError(`familyOf: there is no family ${family}`);
  return found;
}

/** The speed of a case in its family's unit; milliseconds are of one operation. */
export function speedOf(one: BenchCase, seconds: number): number {
  switch (familyOf(one.family).unit) {
    case "GFLOP/s":
      return 2 * product(one.shape) / seconds / 1e9;
    case "G elements/s":
      return product(one.shape) / seconds / 1e9;
    case "ms":
      return seconds * 1e3;
  }
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
