/**
 * What of Quern's functions and classes gives something that must be disposed
 * of. This is the one list of it; a test compares it with the types of all that
 * the package exports.
 */

/** What becomes of the memory behind a result. */
export type Ownership =
  /** New: whoever gets it disposes of it. */
  | "new"
  /** It belongs to what the method was called on. */
  | "borrowed"
  /** It is the very thing that the method was called on, or the first argument. */
  | "same";

/** What a call gives. */
export interface Result {
  /** The name of its class or interface. */
  readonly kind: string;
  /** Whose it is. */
  readonly ownership: Ownership;
  /** The position of the options, whose `out` is the result where it is given. */
  readonly options?: number;
  /** Whether a promise of it is given. */
  readonly asynchronous?: boolean;
}

/** What a class or an interface offers. */
export interface Kind {
  /** Whether `using` can hold it. */
  readonly disposable: boolean;
  /** Whether `new` makes one that its maker disposes of. */
  readonly constructible?: boolean;
  /** Static methods that give something listed here. */
  readonly statics?: Readonly<Record<string, Result>>;
  /** Methods that give something listed here. */
  readonly methods?: Readonly<Record<string, Result>>;
  /** Methods after which there is nothing left to dispose of, besides `dispose`. */
  readonly ending?: readonly string[];
  /** Properties that hold something listed here. */
  readonly parts?: Readonly<Record<string, string>>;
}

const tensor: Result = { kind: "Tensor", ownership: "new" };
const inPlace: Result = { kind: "Tensor", ownership: "same" };
const operation = (options: number): Result => ({ ...tensor, options });

/** Functions, by the name that they are exported under. */
export const functions: Readonly<Record<string, Result>> = {
  abs: operation(1),
  add: operation(2),
  addInPlace: inPlace,
  addScaledInPlace: inPlace,
  all: operation(1),
  any: operation(1),
  argmax: operation(1),
  argmin: operation(1),
  atan: operation(1),
  attention: operation(3),
  binaryCrossEntropy: tensor,
  cast: operation(2),
  ceil: operation(1),
  clamp: operation(3),
  concatenate: operation(1),
  cos: operation(1),
  countNonZero: operation(1),
  crossEntropy: operation(2),
  cumprod: operation(1),
  cumsum: operation(1),
  meanPooling: tensor,
  multipleNegativesRanking: tensor,
  normalizeRows: tensor,
  sort: operation(1),
  argsort: operation(1),
  dequantize: operation(1),
  div: operation(2),
  dropout: operation(2),
  divInPlace: inPlace,
  einsum: operation(2),
  embedding: operation(2),
  equal: operation(2),
  erf: operation(1),
  exp: operation(1),
  exp2: operation(1),
  expm1: operation(1),
  fill: inPlace,
  flip: operation(1),
  floor: operation(1),
  gather: operation(2),
  geglu: operation(2),
  gelu: operation(1),
  greater: operation(2),
  greaterEqual: operation(2),
  groupNorm: operation(2),
  indexAdd: operation(3),
  indexAddInPlace: inPlace,
  layerNorm: operation(1),
  layerNormResidual: operation(2),
  less: operation(2),
  lessEqual: operation(2),
  linear: operation(2),
  loadDecoder: { kind: "LoadedDecoder", ownership: "new", asynchronous: true },
  loadDefaultModel: { kind: "LanguageModel", ownership: "new", asynchronous: true },
  loadModel: { kind: "LanguageModel", ownership: "new", asynchronous: true },
  log: operation(1),
  log10: operation(1),
  log1p: operation(1),
  log2: operation(1),
  logSoftmax: operation(1),
  logSumExp: operation(1),
  logicalAnd: operation(2),
  logicalNot: operation(1),
  logicalOr: operation(2),
  matmul: operation(2),
  max: operation(1),
  maximum: operation(2),
  mean: operation(1),
  meanSquaredError: tensor,
  min: operation(1),
  minimum: operation(2),
  mul: operation(2),
  mulInPlace: inPlace,
  negative: operation(1),
  norm: operation(1),
  notEqual: operation(2),
  oneHot: operation(2),
  openTensors: { kind: "TensorFile", ownership: "new" },
  pad: operation(2),
  pow: operation(2),
  prod: operation(1),
  quantize: operation(2),
  reciprocal: operation(1),
  relu: operation(1),
  repeat: operation(2),
  rmsNorm: operation(2),
  rmsNormResidual: operation(2),
  roll: operation(2),
  rope: operation(2),
  ropeTable: { kind: "RopeTable", ownership: "new", options: 2 },
  round: operation(1),
  rsqrt: operation(1),
  sample: operation(2),
  scaleInPlace: inPlace,
  scatterAdd: operation(3),
  scatterAddInPlace: inPlace,
  sigmoid: operation(1),
  sign: operation(1),
  silu: operation(1),
  sin: operation(1),
  sinusoidalPositions: tensor,
  softmax: operation(1),
  sqrt: operation(1),
  square: operation(1),
  stack: operation(1),
  std: operation(1),
  sub: operation(2),
  subInPlace: inPlace,
  sum: operation(1),
  swiglu: operation(2),
  takeAlongAxis: operation(2),
  tan: operation(1),
  tanh: operation(1),
  topK: { kind: "TopK", ownership: "new", options: 2 },
  tile: operation(2),
  tril: operation(1),
  triu: operation(1),
  variance: operation(1),
  where: operation(3),
};

/** Values, by the name that they are exported under: what they are. */
export const values: Readonly<Record<string, string>> = {
  pool: "Pool",
};

/** Classes and interfaces, by name. */
export const kinds: Readonly<Record<string, Kind>> = {
  LanguageModel: {
    disposable: true,
    methods: { createSession: { kind: "Session", ownership: "new" } },
  },
  Pool: {
    disposable: false,
    methods: {
      rent: { kind: "PooledBuffer", ownership: "new" },
      rentBatch: { kind: "PooledBatch", ownership: "new" },
    },
  },
  PooledBatch: { disposable: true },
  PooledBuffer: { disposable: true },
  RopeTable: { disposable: false, parts: { cosines: "Tensor", sines: "Tensor" } },
  Session: { disposable: true },
  Tensor: {
    disposable: true,
    constructible: true,
    statics: {
      arange: tensor,
      empty: tensor,
      eye: tensor,
      from: tensor,
      fromShared: tensor,
      full: tensor,
      linspace: tensor,
      ones: tensor,
      randn: tensor,
      zeros: tensor,
    },
    methods: {
      broadcastTo: tensor,
      clone: tensor,
      contiguous: tensor,
      detach: tensor,
      copyFrom: { kind: "Tensor", ownership: "same" },
      diagonal: tensor,
      move: tensor,
      reshape: tensor,
      slice: tensor,
      squeeze: tensor,
      transpose: tensor,
      unsqueeze: tensor,
    },
    ending: ["move"],
  },
  AttentionCache: { disposable: true, constructible: true },
  Dropout: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  MultiHeadAttention: {
    disposable: true,
    constructible: true,
    methods: {
      createCache: { kind: "AttentionCache", ownership: "new" },
      forward: operation(1),
    },
  },
  Positions: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  TransformerBlock: {
    disposable: true,
    constructible: true,
    methods: { createCache: { kind: "AttentionCache", ownership: "new" }, forward: operation(1) },
  },
  Embedding: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  LayerNorm: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  Linear: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  LoraAdapters: {
    disposable: true,
    constructible: true,
    statics: { open: { kind: "LoraAdapters", ownership: "new", asynchronous: true } },
  },
  LoraLayer: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  MLP: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  Module: {
    disposable: true,
    constructible: true,
    methods: {
      eval: { kind: "Module", ownership: "same" },
      freeze: { kind: "Module", ownership: "same" },
      train: { kind: "Module", ownership: "same" },
      unfreeze: { kind: "Module", ownership: "same" },
    },
  },
  RMSNorm: { disposable: true, constructible: true, methods: { forward: operation(1) } },
  AdamW: { disposable: true, constructible: true },
  Adafactor: { disposable: true, constructible: true },
  Lion: { disposable: true, constructible: true },
  MovingAverage: { disposable: true, constructible: true },
  Optimizer: { disposable: true },
  SGD: { disposable: true, constructible: true },
  Embedder: {
    disposable: true,
    constructible: true,
    statics: { load: { kind: "Embedder", ownership: "new", asynchronous: true } },
  },
  Decoder: {
    disposable: true,
    constructible: true,
    methods: { forward: tensor, loss: tensor },
  },
  LoadedDecoder: { disposable: false, parts: { decoder: "Decoder" } },
  SentenceEncoder: {
    disposable: true,
    constructible: true,
    methods: { forward: tensor, hidden: tensor },
  },
  TrainableEmbedder: {
    disposable: true,
    constructible: true,
    statics: { load: { kind: "TrainableEmbedder", ownership: "new", asynchronous: true } },
    methods: { embed: tensor },
  },
  TensorFile: { disposable: true, methods: { open: tensor, openBytes: tensor } },
  TextClassifier: {
    disposable: true,
    constructible: true,
    statics: { load: { kind: "TextClassifier", ownership: "new", asynchronous: true } },
  },
  VectorStore: {
    disposable: true,
    constructible: true,
    statics: { load: { kind: "VectorStore", ownership: "new", asynchronous: true } },
  },
  TopK: { disposable: false, parts: { indices: "Tensor", values: "Tensor" } },
  Workspace: {
    disposable: true,
    constructible: true,
    methods: {
      get: { kind: "Tensor", ownership: "borrowed" },
      zeros: { kind: "Tensor", ownership: "borrowed" },
    },
  },
};

/** Functions whose callback runs before they return, or are awaited. */
export const callbackTakers: ReadonlySet<string> = new Set([
  "assertNoLeaks",
  "noGrad",
  "profile",
  "scope",
  "withoutLeaks",
]);
