/**
 * A tiny but complete Llama model as a GGUF file in memory: two layers, 64 channels, four heads
 * with two key/value heads, a byte-level BPE vocabulary of 300 tokens and a chat template.
 *
 * It says nothing sensible, but every part of the path from a file to a token runs on it, in
 * milliseconds and without a download. Each key and each tensor can be replaced or left out, to
 * make the bad models that a loader must refuse. Weights come from a seeded generator that uses
 * exact arithmetic only, so that they are the same on every machine.
 *
 * @module
 */
import { type GgufTensorData, type GgufValue, writeGguf } from "../../lib/formats/mod.ts";
import { quantize, type WeightType } from "./quantize.ts";

/** How {@linkcode smallGguf} departs from its default model. */
export interface SmallGgufOptions {
  /** The type of every matrix. Norms are always F32. Default F32. */
  type?: WeightType;
  /** Types of single tensors, by name. */
  tensorTypes?: Record<string, WeightType>;
  /** Seed of the weights. Default 1. */
  seed?: number;
  /** Layers. Default 2. */
  layers?: number;
  /** Context length in the metadata. Default 128. */
  contextLength?: number;
  /** Whether the output shares the embedding's matrix. Default true. */
  tied?: boolean;
  /** Values that replace or join the metadata; `undefined` removes a key. */
  metadata?: Record<string, GgufValue | undefined>;
  /** Types of the values in `metadata` for which the guess would be wrong. */
  types?: Record<string, string>;
  /** Tensors that replace or join the model's; `undefined` removes one. */
  tensors?: Record<string, Omit<GgufTensorData, "name"> | undefined>;
}

/** A small model: its file, and the same weights as plain numbers. */
export interface SmallGguf {
  /** The GGUF file. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The metadata as written. */
  metadata: Map<string, GgufValue>;
  /** The stored weights' values, row-major; not for tensors that `options.tensors` gave. */
  weights: Map<string, { shape: number[]; values: Float32Array }>;
}

/** The model's sizes. */
export const SMALL = {
  dim: 64,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  feedForward: 96,
  vocabulary: 300,
  epsilon: 1e-5,
  ropeBase: 10000,
} as const;

/** Ids of the special tokens. */
export const SMALL_IDS = { endOfText: 0, turnStart: 1, turnEnd: 2 } as const;

const SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** Merges in order of rank; Ġ stands for a space. Each makes the token that its two parts join. */
// deno-fmt-ignore
const MERGES = [
  "Ġ t", "h e", "Ġ a", "i n", "r e", "o n", "Ġt he", "e r", "Ġ s", "a t", "Ġ w", "Ġ o", "e n",
  "Ġ c", "i t", "i s", "a n", "o r", "e s", "Ġ b", "e d", "Ġ f", "in g", "Ġ p", "o u", "Ġa n",
  "a l", "a r", "Ġt o", "Ġ m", "Ġo f", "Ġ in", "Ġ d", "Ġ h", "Ġan d", "i c", "a s", "l e", "Ġt h",
  "i on", "o m",
];

const CHAT_TEMPLATE = "{% for message in messages %}" +
  "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Makes a small model. */
export function smallGguf(options: SmallGgufOptions = {}): SmallGguf {
  const metadata = smallMetadata(options);
  const weights: SmallGguf["weights"] = new Map();
  const tensors = new Map<string, GgufTensorData>();
  for (const [name, shape] of smallShapes(options)) {
    const isNorm = shape.length === 1;
    const type = isNorm ? "F32" : options.tensorTypes?.[name] ?? options.type ?? "F32";
    const source = randomWeights(`${options.seed ?? 1} ${name}`, shape, isNorm);
    const { data, values } = quantize(source, type);
    tensors.set(name, { name, type, shape, data });
    weights.set(name, { shape, values });
  }
  for (const [name, tensor] of Object.entries(options.tensors ?? {})) {
    weights.delete(name);
    if (tensor === undefined) tensors.delete(name);
    else tensors.set(name, { name, ...tensor });
  }
  const types = new Map(Object.entries({ ...FLOAT_KEYS, ...options.types }));
  const bytes = writeGguf({ metadata, types, tensors: tensors.values() });
  return { bytes, metadata, weights };
}

/** Keys whose values are floats though they may be whole numbers. */
const FLOAT_KEYS = {
  "llama.rope.freq_base": "float32",
  "llama.attention.layer_norm_rms_epsilon": "float32",
  "tokenizer.ggml.token_type": "int32[]",
};

function smallMetadata(options: SmallGgufOptions): Map<string, GgufValue> {
  const tokens = smallVocabulary();
  const values: Record<string, GgufValue | undefined> = {
    "general.architecture": "llama",
    "general.name": "Small",
    "llama.block_count": options.layers ?? 2,
    "llama.context_length": options.contextLength ?? 128,
    "llama.embedding_length": SMALL.dim,
    "llama.feed_forward_length": SMALL.feedForward,
    "llama.attention.head_count": SMALL.heads,
    "llama.attention.head_count_kv": SMALL.keyValueHeads,
    "llama.attention.layer_norm_rms_epsilon": SMALL.epsilon,
    "llama.rope.freq_base": SMALL.ropeBase,
    "llama.rope.dimension_count": SMALL.headSize,
    "llama.vocab_size": SMALL.vocabulary,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": tokens,
    // 3 marks a control token, 1 a normal one.
    "tokenizer.ggml.token_type": Int32Array.from(tokens, (_, id) => id < SPECIAL.length ? 3 : 1),
    "tokenizer.ggml.merges": [...MERGES],
    "tokenizer.ggml.bos_token_id": SMALL_IDS.turnStart,
    "tokenizer.ggml.eos_token_id": SMALL_IDS.turnEnd,
    "tokenizer.ggml.add_bos_token": false,
    "tokenizer.chat_template": CHAT_TEMPLATE,
    ...options.metadata,
  };
  const kept = Object.entries(values).filter((entry): entry is [string, GgufValue] =>
    entry[1] !== undefined
  );
  return new Map(kept);
}

/** Special tokens, the 256 bytes in their byte-level spelling, then what the merges make. */
function smallVocabulary(): string[] {
  const merged = MERGES.map((merge) => merge.replace(" ", ""));
  return [...SPECIAL, ...byteAlphabet(), ...merged];
}

/**
 * The character that byte-level BPE writes for each byte (GPT-2): itself where it is printable in
 * Latin-1, else the next one from U+0100 on.
 */
function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = byte > 0x20 && byte < 0x7f || byte > 0xa0 && byte !== 0xad;
    return String.fromCharCode(printable ? byte : next++);
  });
}

function smallShapes(options: SmallGgufOptions): [string, number[]][] {
  const { dim, feedForward, vocabulary } = SMALL;
  const keyValue = SMALL.keyValueHeads * SMALL.headSize;
  const shapes: [string, number[]][] = [["token_embd.weight", [vocabulary, dim]]];
  for (let i = 0; i < (options.layers ?? 2); i++) {
    const layer: [string, number[]][] = [
      ["attn_norm", [dim]],
      ["attn_q", [dim, dim]],
      ["attn_k", [keyValue, dim]],
      ["attn_v", [keyValue, dim]],
      ["attn_output", [dim, dim]],
      ["ffn_norm", [dim]],
      ["ffn_gate", [feedForward, dim]],
      ["ffn_up", [feedForward, dim]],
      ["ffn_down", [dim, feedForward]],
    ];
    for (const [part, shape] of layer) shapes.push([`blk.${i}.${part}.weight`, shape]);
  }
  shapes.push(["output_norm.weight", [dim]]);
  if (options.tied === false) shapes.push(["output.weight", [vocabulary, dim]]);
  return shapes;
}

/** Near 1 for a norm; else bell-shaped around 0, with a variance of one over the row's length. */
function randomWeights(seed: string, shape: number[], isNorm: boolean): Float32Array {
  const random = generator(seed);
  const length = shape.reduce((product, size) => product * size, 1);
  const scale = Math.sqrt(3 / (shape.at(-1) ?? 1));
  return Float32Array.from({ length }, () => {
    // The sum of four uniform numbers has a variance of a third; only exact operations.
    const bell = random() + random() + random() + random() - 2;
    return isNorm ? 1 + bell / 8 : bell * scale;
  });
}

/** Uniform numbers in [0, 1) from a text (FNV-1a into mulberry32). */
function generator(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193);
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}
