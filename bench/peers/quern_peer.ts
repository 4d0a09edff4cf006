/**
 * Quern as a contender of `deno task bench:peers`: the operations as a program calls them,
 * into results that are there already.
 *
 *     deno run -A bench/peers/quern_peer.ts THREADS
 *
 * @module
 */

import { prepareBlock } from "../../lib/cli/bench/block_cases.ts";
import manifest from "../../deno.json" with { type: "json" };
import {
  addInPlace,
  attention,
  gelu,
  layerNorm,
  linear,
  matmul,
  setThreads,
  softmax,
  Tensor,
} from "../../mod.ts";
import type { BenchCase, Family } from "./cases.ts";
import { prepareTraining } from "./training_step.ts";
import { fill, type Prepared, serve } from "./worker.mjs";

type Floats = Tensor<"float32">;
type Prepare = (one: BenchCase, tensors: Tensors, variant: string) => [() => unknown, Floats];

/** The tensors of a case, to be disposed of together. */
class Tensors implements Disposable {
  readonly #all = new DisposableStack();

  /** Takes a tensor. */
  readonly keep = (tensor: Floats): Floats => this.#all.use(tensor);

  /** Operand number `seed`, or a result, which is overwritten. */
  readonly make = (shape: readonly number[], seed: number, scale?: number): Floats => {
    const size = shape.reduce((a, b) => a * b, 1);
    using flat = Tensor.from(fill(size, seed, scale));
    return this.keep(flat.reshape([...shape]));
  };

  [Symbol.dispose](): void {
    this.#all.dispose();
  }
}

const FAMILIES: Readonly<Record<Exclude<Family, "train">, Prepare>> = {
  gemm({ shape: [rows, cols, inner], layout }, { make, keep }, variant) {
    const a = make([rows, inner], 1);
    const b = layout === "NT" ? make([cols, inner], 2) : make([inner, cols], 2);
    const out = make([rows, cols], 3);
    const options = { out };
    if (variant === "matmul") {
      const right = layout === "NT" ? keep(b.transpose()) : b;
      return [() => matmul(a, right, options), out];
    }
    using turned = b.transpose();
    const weight = layout === "NT" ? b : keep(turned.contiguous());
    return [() => linear(a, weight, options), out];
  },
  layer_norm({ shape }, { make }) {
    const cols = shape[shape.length - 1];
    const x = make(shape, 1);
    const weight = make([cols], 2);
    using one = Tensor.ones([1]);
    addInPlace(weight, one);
    const options = { weight, bias: make([cols], 3), out: make(shape, 4) };
    return [() => layerNorm(x, options), options.out];
  },
  softmax({ shape }, { make }) {
    const x = make(shape, 1);
    const options = { out: make(shape, 2) };
    return [() => softmax(x, options), options.out];
  },
  gelu({ shape, approximate }, { make }) {
    const x = make(shape, 1, 4);
    const options = { approximate, out: make(shape, 2) };
    return [() => gelu(x, options), options.out];
  },
  add({ shape }, { make }) {
    const x = make(shape, 1);
    const y = make(shape, 2);
    return [() => addInPlace(x, y), x];
  },
  attention({ shape: [heads, tokens, headSize] }, { make }) {
    const [q, k, v, out] = [1, 2, 3, 4].map((seed) => make([tokens, heads, headSize], seed));
    const options = { out };
    return [() => attention(q, k, v, options), out];
  },
  block({ shape }, { make, keep }) {
    let seed = 0;
    const random = (sizes: readonly number[], deviation: number) =>
      make(sizes, ++seed, deviation * Math.sqrt(3));
    const { run, out } = prepareBlock(shape, false, { random, keep });
    return [run, out];
  },
};

function prepare(request: { case: BenchCase; variant: string }): Prepared {
  const { family, shape } = request.case;
  if (family === "train") return prepareTraining(shape);
  const tensors = new Tensors();
  const [run, out] = FAMILIES[family](request.case, tensors, request.variant);
  return { run, result: () => out.data, close: () => tensors[Symbol.dispose]() };
}

setThreads(Number(Deno.args[0]));
await serve(manifest.version, prepare);
