/**
 * A language model to train: a GPT (Radford et al., 2019) or a Llama (Touvron et al., 2023),
 * made of layers.
 *
 *     x = tokens(ids) + positions     where those are learned; else heads turn
 *     x = block(x)                    causal and pre-norm, `layers` times
 *     logits = norm(x) · headᵀ        where the head is the table of tokens, if it is tied
 *
 * `Llama` of `llama.ts` runs the same from a file, quantised and without gradients.
 */
import { Random } from "../core/random.ts";
import { formatShape } from "../core/shape.ts";
import {
  type AttentionCache,
  type AttentionCacheOptions,
  Dropout,
  Embedding,
  type ForwardOptions as LayerForwardOptions,
  type Frame,
  type Initializer,
  type LayerDType,
  LayerNorm,
  Linear,
  Module,
  normal,
  Positions,
  RMSNorm,
  type RotaryOptions,
  TransformerBlock,
  type TransformerBlockOptions,
} from "../nn/mod.ts";
import { crossEntropy, linear } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** Options of {@linkcode Decoder}: what is left out is as in a Llama. */
export interface DecoderOptions<D extends LayerDType = "float32"> extends
  Pick<
    TransformerBlockOptions<D>,
    | "dim"
    | "heads"
    | "keyValueHeads"
    | "hidden"
    | "activation"
    | "normalization"
    | "epsilon"
    | "bias"
    | "dropout"
    | "dtype"
    | "seed"
  > {
  /** How many tokens there are to predict. */
  vocabularySize: number;
  /** How many blocks. */
  layers: number;
  /** The most tokens of a sequence. */
  contextLength: number;
  /** Angles by which heads turn, or vectors that are trained; `"rotary"` when left out. */
  positions?: "rotary" | "learned";
  /** How heads turn. */
  rotary?: RotaryOptions;
  /** Whether the table of tokens is the head too; true when left out. */
  tied?: boolean;
  /**
   * The first weights; normally distributed, of deviation 0.02, when left out, and smaller by
   * `√(2 · layers)` where a product's result is added to the residual (Radford et al., 2019).
   */
  weight?: Initializer;
}

/** Options of {@linkcode Decoder.forward}. */
export interface DecoderForwardOptions<D extends LayerDType = "float32">
  extends LayerForwardOptions<D> {
  /** The keys and values of the tokens before, one of each block; see `createCaches`. */
  caches?: readonly AttentionCache<D>[];
}

/**
 * A decoder-only transformer to train. Without other options it is a Llama: RMSNorm, rotary
 * positions, SwiGLU, no biases.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { Decoder } from "@quern/quern/models";
 * import { AdamW } from "@quern/quern/optim";
 *
 * const sizes = { vocabularySize: 65, dim: 32, layers: 2, heads: 4, contextLength: 16 };
 * using model = new Decoder({ ...sizes, seed: 1 });
 * using optimizer = new AdamW(model.parameters());
 * using ids = Tensor.from([[1, 2, 3, 4]], "int32");
 * using targets = Tensor.from([[2, 3, 4, 5]], "int32");
 * using loss = model.loss(ids, targets);
 * loss.backward();
 * optimizer.step();
 * using logits = model.forward(ids);
 * console.log(logits.shape, loss.get()); // [1, 4, 65] 4.17…
 * ```
 */
export class Decoder<D extends LayerDType = "float32"> extends Module {
  /** The most tokens of a sequence. */
  readonly contextLength: number;
  /** `[vocabularySize, dim]`. */
  readonly tokens: Embedding<D>;
  /** Vectors of positions, where those are learned. */
  readonly positions: Positions<D> | undefined;
  /** Of the sums of tokens and positions, if anything is left out. */
  readonly dropout: Dropout<D> | undefined;
  /** From token to token. */
  readonly blocks: readonly TransformerBlock<D>[];
  /** Before the head. */
  readonly norm: LayerNorm<D> | RMSNorm<D>;
  /** From rows to logits, where it is not the table of tokens. */
  readonly head: Linear<D> | undefined;

  /**
   * A new model.
   *
   * @param options The sizes, and what the layers are like.
   * @throws {RangeError} When sizes do not fit.
   * @throws {TypeError} When there is no such kind of a layer.
   */
  constructor(options: DecoderOptions<D>) {
    super();
    checkOptions(options);
    const { vocabularySize, dim, layers, contextLength, dropout = 0 } = options;
    const { dtype, epsilon, weight = normal(DEVIATION), tied = true } = options;
    const random = new Random(options.seed);
    const table = () => ({ dtype, weight, seed: random.nextUint32() });
    this.contextLength = contextLength;
    try {
      this.tokens = new Embedding<D>(vocabularySize, dim, table());
      if (options.positions === "learned") {
        this.positions = new Positions<D>(contextLength, dim, table());
      }
      if (dropout !== 0) this.dropout = new Dropout<D>(dropout, { seed: random.nextUint32() });
      const block = blockOptions(options);
      this.blocks = Array.from(
        { length: layers },
        () => new TransformerBlock<D>({ ...block, seed: random.nextUint32() }),
      );
      this.norm = block.normalization === "rms"
        ? new RMSNorm<D>(dim, { dtype, epsilon })
        : new LayerNorm<D>(dim, { dtype, epsilon, bias: block.bias });
      if (!tied) this.head = new Linear<D>(dim, vocabularySize, { ...table(), bias: false });
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * A cache for each block, for sequences that come piece by piece.
   *
   * @param options How many tokens, and of what batch.
   * @returns Empty caches, the caller's.
   */
  createCaches(options: AttentionCacheOptions): AttentionCache<D>[] {
    return this.blocks.map((block) => block.createCache(options));
  }

  /**
   * Predicts each next token.
   *
   * @param ids `[…, tokens]`.
   * @param options The caches of the tokens before, and where to write the result.
   * @returns The logits, `[…, tokens, vocabularySize]`.
   * @throws {RangeError} When a token is unknown, or there are more than `contextLength`.
   */
  forward(ids: Tensor<"int32">, options: DecoderForwardOptions<D> = {}): Tensor<D> {
    const { caches, out } = options;
    return this.pass([], (frame) => {
      const start = this.#startOf(ids, caches);
      let x = this.#embed(frame, ids, start);
      this.blocks.forEach((block, i) => {
        x = frame.own(block.forward(x, { cache: caches?.[i], out: this.#room(frame, ids) }));
      });
      const rows = frame.own(this.norm.forward(x, { out: this.#room(frame, ids) }));
      if (this.head !== undefined) return this.head.forward(rows, { out });
      return linear(rows, this.tokens.weight, { out });
    });
  }

  /**
   * The loss of predicting each next token.
   *
   * @param ids `[…, tokens]`.
   * @param targets The token behind each, of the same shape; -100 where there is no loss.
   * @returns The mean cross-entropy, `[]`, in nats.
   * @throws {RangeError} When shapes do not fit, or a token is unknown.
   */
  loss(ids: Tensor<"int32">, targets: Tensor<"int32">): Tensor<D> {
    return this.pass([], (frame) => {
      const shape = [...ids.shape, this.tokens.weight.shape[0]];
      const out = frame.room("Decoder.logits", shape, this.tokens.weight.dtype);
      return crossEntropy<D>(frame.own(this.forward(ids, { out })), targets);
    });
  }

  /** The position of the first token. */
  #startOf(ids: Tensor<"int32">, caches?: readonly AttentionCache<D>[]): number {
    const { blocks, contextLength } = this;
    if (caches !== undefined && caches.length !== blocks.length) {
      throw new RangeError(`Decoder: ${caches.length} caches for ${blocks.length} blocks`);
    }
    const start = caches?.[0]?.length ?? 0;
    const tokens = ids.shape.at(-1);
    if (tokens !== undefined && start + tokens <= contextLength) return start;
    throw new RangeError(
      `Decoder: ids ${formatShape(ids.shape)} from position ${start} do not fit a context of ` +
        `${contextLength} tokens; ids are […, tokens]`,
    );
  }

  /** Rows of tokens, with their positions where those are learned. */
  #embed(frame: Frame, ids: Tensor<"int32">, start: number): Tensor<D> {
    const { tokens, positions, dropout } = this;
    let x = frame.own(tokens.forward(ids, { out: this.#room(frame, ids) }));
    if (positions !== undefined) {
      x = frame.own(positions.forward(x, { start, out: this.#room(frame, ids) }));
    }
    return dropout?.isActive ? frame.own(dropout.forward(x)) : x;
  }

  /** Where the residual lies when nothing is recorded: every layer writes onto its input. */
  #room(frame: Frame, ids: Tensor<"int32">): Tensor<D> | undefined {
    const { weight } = this.tokens;
    return frame.room("Decoder.residual", [...ids.shape, weight.shape[1]], weight.dtype);
  }
}

/** The deviation of first weights in GPT-2. */
const DEVIATION = 0.02;

/** What all blocks are like. */
function blockOptions<D extends LayerDType>(options: DecoderOptions<D>) {
  const { dim, heads, keyValueHeads, dtype, epsilon, dropout, layers, weight } = options;
  const { normalization = "rms", activation = "swiglu", bias = false } = options;
  const { positions = "rotary", rotary = true } = options;
  const isGated = activation === "swiglu" || activation === "geglu";
  return {
    ...{ dim, heads, keyValueHeads, dtype, epsilon, dropout, normalization, activation, bias },
    // A gate is a third matrix: two thirds of the size keep their number of parameters.
    hidden: options.hidden ?? (isGated ? 32 * Math.ceil(dim / 12) : 4 * dim),
    rotary: positions === "rotary" && rotary,
    weight: weight ?? normal(DEVIATION),
    outputWeight: weight ?? normal(DEVIATION / Math.sqrt(2 * layers)),
    norm: "pre",
    causal: true,
  } as const;
}

function checkOptions(options: DecoderOptions<LayerDType>): void {
  for (const name of ["vocabularySize", "dim", "layers", "heads", "contextLength"] as const) {
    if (Number.isSafeInteger(options[name]) && options[name] >= 1) continue;
    throw new RangeError(
      `Decoder: ${name} is ${options[name]}, expected an integer of 1 or more`,
    );
  }
  const { positions = "rotary" } = options;
  if (positions === "rotary" || positions === "learned") return;
  throw new TypeError(
    `Decoder: positions is ${JSON.stringify(positions)}, expected "rotary" or "learned"`,
  );
}
