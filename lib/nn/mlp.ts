/**
 * The feed-forward layer of transformers.
 */
import { type Activation, geglu, swiglu } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { Initializer } from "./initializers.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import {
  checkSize,
  type LayerDType,
  type LayerOptions,
  type ResidualOptions,
  seeds,
} from "./options.ts";

/**
 * What is between the two products: GELU, its approximation by tanh, ReLU or SiLU; or, with a
 * product more, SiLU or GELU as a gate.
 */
export type MLPActivation = "gelu" | "gelu_tanh" | "relu" | "silu" | "swiglu" | "geglu";

/** Options of {@linkcode MLP}. */
export interface MLPOptions<D extends LayerDType = "float32"> extends LayerOptions<D> {
  /** The size of rows. */
  dim: number;
  /** The size in between; 4 · dim when left out. */
  hidden?: number;
  /** What is in between; `"gelu"` when left out. */
  activation?: MLPActivation;
  /** Whether products have a bias; true when left out. */
  bias?: boolean;
  /** The first weights of the products; those of {@linkcode Linear} when left out. */
  weight?: Initializer;
  /** The first weight of the last product; that of the others when left out. */
  outputWeight?: Initializer;
}

const activations: Readonly<Record<MLPActivation, Activation>> = {
  gelu: "gelu_erf",
  gelu_tanh: "gelu_tanh",
  relu: "relu",
  silu: "silu",
  swiglu: "none",
  geglu: "none",
};

/**
 * Two products with an activation between them, or three of which one is a gate
 * (Shazeer, 2020).
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { MLP } from "@quern/quern/nn";
 *
 * using mlp = new MLP({ dim: 8, hidden: 16, activation: "swiglu", seed: 1 });
 * using x = Tensor.ones([3, 8]);
 * using y = mlp.forward(x);
 * console.log(y.shape); // [3, 8]
 * ```
 */
export class MLP<D extends LayerDType = "float32"> extends Module {
  /** What is in between. */
  readonly activation: MLPActivation;
  /** The gate, where there is one. */
  readonly gate: Linear<D> | undefined;
  /** From `dim` to `hidden`. */
  readonly up: Linear<D>;
  /** From `hidden` to `dim`. */
  readonly down: Linear<D>;

  /**
   * A new layer.
   *
   * @param options The sizes, the activation, the dtype and the seed.
   * @throws {RangeError} When a size is no integer from 1.
   * @throws {TypeError} When there is no such activation.
   */
  constructor(options: MLPOptions<D>) {
    super();
    const { dim, hidden = 4 * dim, activation = "gelu", bias, dtype } = options;
    const { weight, outputWeight = weight } = options;
    checkSize("MLP", "dim", dim);
    checkSize("MLP", "hidden", hidden);
    if (!Object.hasOwn(activations, activation)) {
      const known = Object.keys(activations).map((name) => JSON.stringify(name)).join(", ");
      throw new TypeError(`MLP: activation is ${JSON.stringify(activation)}, expected ${known}`);
    }
    const seed = seeds(options.seed);
    const isGated = activation === "swiglu" || activation === "geglu";
    this.activation = activation;
    const make = (inputs: number, outputs: number, first = weight) =>
      new Linear<D>(inputs, outputs, { bias, dtype, seed: seed(), weight: first });
    if (isGated) this.gate = make(dim, hidden);
    this.up = make(dim, hidden);
    this.down = make(hidden, dim, outputWeight);
  }

  /**
   * Computes the products.
   *
   * @param x `[…, dim]`.
   * @param options What the result is added to, and where to write it.
   * @returns The shape of `x`.
   * @throws {RangeError} When the last axis has another size.
   */
  forward(x: Tensor<D>, options: ResidualOptions<D> = {}): Tensor<D> {
    const { gate, up, down } = this;
    const { out, residual } = options;
    return this.pass([x], (frame) => {
      const { dtype } = x;
      const shape = [...x.shape.slice(0, -1), up.weight.shape[0]];
      const activation = activations[this.activation];
      const place = (name: string) => ({ out: frame.room(name, shape, dtype) });
      const hidden = frame.own(up.forward(x, { activation, ...place("MLP.up") }));
      if (gate === undefined) return down.forward(hidden, { out, residual });
      const gates = frame.own(gate.forward(x, place("MLP.gate")));
      const product = this.activation === "swiglu" ? swiglu<D> : geglu<D>;
      const gated = frame.own(product(gates, hidden, place("MLP.gate")));
      return down.forward(gated, { out, residual });
    });
  }
}
