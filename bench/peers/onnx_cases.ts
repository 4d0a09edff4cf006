/**
 * The cases of `deno task bench:peers` as models of onnxruntime: one node, or for a block
 * one for each of its operations. Weights are constants, so that onnxruntime packs them
 * when it loads the model.
 *
 * @module
 */

import type { BenchCase, Family } from "./cases.ts";
import {
  type Constant,
  encodeModel,
  MICROSOFT,
  type OnnxGraph,
  type OnnxNode,
  type Value,
} from "./onnx_model.ts";
import { fill } from "./worker.mjs";

/** An operand, and how it is filled. */
export interface FilledValue extends Value {
  readonly seed: number;
  readonly scale: number;
}

/** What a contender that runs models is told. */
export interface ModelRequest {
  readonly path: string;
  readonly inputs: readonly FilledValue[];
  readonly output: Value;
}

/** A graph whose inputs say how they are filled. */
interface FilledGraph extends OnnxGraph {
  readonly inputs: readonly FilledValue[];
}

const EPSILON = { float: 1e-5 };

const GRAPHS: Readonly<Partial<Record<Family, (one: BenchCase) => FilledGraph>>> = {
  gemm({ shape: [rows, cols, inner], layout }) {
    const isTurned = layout === "NT";
    const weight = filled("W", isTurned ? [cols, inner] : [inner, cols], 2);
    const node: OnnxNode = isTurned
      ? { op: "Gemm", inputs: ["X", "W"], outputs: ["Y"], attributes: { transB: 1 } }
      : { op: "MatMul", inputs: ["X", "W"], outputs: ["Y"] };
    return graphOf([node], [operand("X", [rows, inner], 1)], [rows, cols], [weight]);
  },
  layer_norm({ shape }) {
    const cols = shape.slice(-1);
    const weight = filled("W", cols, 2);
    const one = { ...weight, values: weight.values.map((value) => value + 1) };
    return graphOf([layerNorm("X", "W", "B", "Y")], [operand("X", shape, 1)], shape, [
      one,
      filled("B", cols, 3),
    ]);
  },
  softmax: ({ shape }) =>
    unary({ op: "Softmax", inputs: ["X"], outputs: ["Y"], attributes: { axis: -1 } }, shape, 1),
  gelu: ({ shape, approximate = "none" }) =>
    unary({ op: "Gelu", inputs: ["X"], outputs: ["Y"], attributes: { approximate } }, shape, 4),
  add: ({ shape }) =>
    graphOf(
      [{ op: "Add", inputs: ["X", "Z"], outputs: ["Y"] }],
      [operand("X", shape, 1), operand("Z", shape, 2)],
      shape,
    ),
  attention({ shape: [heads, tokens, headSize] }) {
    const shape = [1, tokens, heads * headSize];
    const node = attention(["Q", "K", "V"], "Y", heads);
    const inputs = ["Q", "K", "V"].map((name, index) => operand(name, shape, index + 1));
    return graphOf([node], inputs, shape);
  },
  block: blockGraph,
};

/** The block of `lib/cli/bench/block_cases.ts`, with the same weights. */
function blockGraph({ shape: [tokens, dim, heads] }: BenchCase): FilledGraph {
  const constants: Constant[] = [];
  const constant = (name: string, shape: readonly number[], deviation: number) => {
    constants.push(filled(name, shape, constants.length + 2, deviation * Math.sqrt(3)));
  };
  for (const name of ["norm1", "norm2"]) {
    constant(`${name}.weight`, [dim], 1);
    constant(`${name}.bias`, [dim], 0.1);
  }
  const layers = { qkv: [3, 1], proj: [1, 1], up: [4, 1], down: [1, 4] };
  for (const [name, [outputs, inputs]] of Object.entries(layers)) {
    constant(`${name}.weight`, [outputs * dim, inputs * dim], 1 / Math.sqrt(inputs * dim));
    constant(`${name}.bias`, [outputs * dim], 0.1);
  }
  const reshaped = (name: string, sizes: readonly number[]): OnnxNode => {
    constants.push({
      name: `${name}.shape`,
      shape: [sizes.length],
      values: BigInt64Array.from(sizes, BigInt),
    });
    return { op: "Reshape", inputs: [name, `${name}.shape`], outputs: [`${name}.reshaped`] };
  };
  const parts = ["q", "k", "v"];
  const nodes: OnnxNode[] = [
    layerNorm("X", "norm1.weight", "norm1.bias", "normed1"),
    linear("normed1", "qkv", "qkv"),
    { op: "Split", inputs: ["qkv"], outputs: parts, attributes: { axis: 1, num_outputs: 3 } },
    ...parts.map((name) => reshaped(name, [1, tokens, dim])),
    attention(parts.map((name) => `${name}.reshaped`), "mixed", heads),
    reshaped("mixed", [tokens, dim]),
    linear("mixed.reshaped", "proj", "projected"),
    { op: "Add", inputs: ["X", "projected"], outputs: ["sum"] },
    layerNorm("sum", "norm2.weight", "norm2.bias", "normed2"),
    linear("normed2", "up", "hidden"),
    { op: "Gelu", inputs: ["hidden"], outputs: ["bent"], attributes: { approximate: "tanh" } },
    linear("bent", "down", "lowered"),
    { op: "Add", inputs: ["sum", "lowered"], outputs: ["Y"] },
  ];
  const x = operand("X", [tokens, dim], 1, Math.sqrt(3));
  return graphOf(nodes, [x], [tokens, dim], constants);
}

function layerNorm(x: string, weight: string, bias: string, out: string): OnnxNode {
  const attributes = { axis: -1, epsilon: EPSILON };
  return { op: "LayerNormalization", inputs: [x, weight, bias], outputs: [out], attributes };
}

function linear(x: string, name: string, out: string): OnnxNode {
  const inputs = [x, `${name}.weight`, `${name}.bias`];
  return { op: "Gemm", inputs, outputs: [out], attributes: { transB: 1 } };
}

function attention(inputs: readonly string[], out: string, heads: number): OnnxNode {
  const attributes = { num_heads: heads };
  return { op: "MultiHeadAttention", inputs, outputs: [out], attributes, domain: MICROSOFT };
}

function unary(node: OnnxNode, shape: readonly number[], scale: number): FilledGraph {
  return graphOf([node], [operand("X", shape, 1, scale)], shape);
}

function graphOf(
  nodes: readonly OnnxNode[],
  inputs: readonly FilledValue[],
  outShape: readonly number[],
  constants: readonly Constant[] = [],
): FilledGraph {
  return { nodes, inputs, output: { name: "Y", shape: outShape }, constants };
}

function operand(name: string, shape: readonly number[], seed: number, scale = 1): FilledValue {
  return { name, shape, seed, scale };
}

function filled(name: string, shape: readonly number[], seed: number, scale = 1) {
  const values = fill(shape.reduce((a, b) => a * b, 1), seed, scale);
  return { name, shape, values };
}

/**
 * Writes the model of a case to a file; returns what the contender is told, or nothing where a
 * case is no model.
 */
export async function writeModel(
  one: BenchCase,
  path: string,
): Promise<ModelRequest | undefined> {
  const graph = GRAPHS[one.family]?.(one);
  if (graph === undefined) return undefined;
  await Deno.writeFile(path, encodeModel(graph));
  return { path, inputs: graph.inputs, output: graph.output };
}
