/**
 * Decoders from GGUF files and into them, as the architecture `llama` of llama.cpp.
 *
 * The file holds all that the runtime asks for, so that what was trained is run by whoever
 * runs GGUF files: weights in float32, or whatever `quern quantize` makes of them.
 */
import { isFloating } from "../core/dtype.ts";
import type { Gguf, GgufContent, GgufTensorData, GgufValue } from "../formats/mod.ts";
import type { Storage } from "../memory/mod.ts";
import { RMSNorm, zeros } from "../nn/mod.ts";
import { dequantize } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { Decoder } from "./decoder.ts";
import { GgufTensors } from "./gguf_tensors.ts";
import { Hyperparameters } from "./hyperparameters.ts";
import { type LlamaConfig, readLlamaConfig } from "./llama_config.ts";
import { Weights } from "./weights.ts";

/** What a GGUF file says besides the sizes of its model. */
export interface GgufNotes {
  /** Keys and values: the vocabulary (`tokenizer.*`), a name (`general.name`), or any other. */
  readonly metadata?: Iterable<readonly [string, GgufValue]>;
  /** The types of values for which their content suggests another. */
  readonly types?: ReadonlyMap<string, string>;
}

/** The parts of a block, as the module and the file call them. */
const blockNames: Readonly<Record<string, string>> = {
  "attentionNorm": "attn_norm",
  "attention.query": "attn_q",
  "attention.key": "attn_k",
  "attention.value": "attn_v",
  "attention.output": "attn_output",
  "mlpNorm": "ffn_norm",
  "mlp.gate": "ffn_gate",
  "mlp.up": "ffn_up",
  "mlp.down": "ffn_down",
};

/** The other parts. */
const outerNames: Readonly<Record<string, string>> = {
  "tokens": "token_embd",
  "norm": "output_norm",
  "head": "output",
};

/** What the file calls a parameter; undefined where it has no place for it. */
function storedName(name: string): string | undefined {
  const [, index, part] = /^blocks\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  if (index !== undefined) {
    return blockNames[part] && `blk.${index}.${blockNames[part]}.weight`;
  }
  const outer = outerNames[name.replace(/\.weight$/, "")];
  return outer && `${outer}.weight`;
}

/**
 * Makes a decoder of a GGUF file, to train it further. Quantised weights are dequantised.
 *
 * @param gguf The parsed file, of the architecture `llama`.
 * @param storage The mapped file.
 * @param name The file's name, for errors.
 * @param options The probability that elements are left out in training.
 * @returns The decoder, the caller's to dispose of.
 * @throws {SyntaxError} When the file contradicts itself.
 * @throws {RangeError} When it needs what the decoder does not have.
 */
export function decoderFromGguf(
  gguf: Gguf,
  storage: Storage,
  name: string,
  options: { dropout?: number } = {},
): Decoder {
  const file = new Hyperparameters(name, (key) => gguf.metadata.get(key));
  const architecture = file.text("general.architecture");
  if (architecture !== "llama") file.unsupported(`to train the architecture ${architecture}`);
  const stored = new GgufTensors(gguf, storage, name);
  using weights = new Weights(stored);
  const config = readLlamaConfig(file, weights);
  checkTrainable(file, config, weights);
  const decoder = new Decoder({
    ...{ dim: config.dim, layers: config.layers, heads: config.heads, dropout: options.dropout },
    keyValueHeads: config.keyHeads,
    hidden: config.feedForward,
    vocabularySize: config.vocabularySize,
    contextLength: config.contextLength,
    epsilon: config.epsilon,
    rotary: { base: config.ropeBase },
    tied: !weights.has("output.weight"),
    weight: zeros,
  });
  try {
    for (const [own, tensor] of storedTensors(decoder)) {
      const from = storedName(own)!;
      // Checks the shape; what it keeps is a view of the file.
      using wide = dequantize(weights.tensor(from, tensor.shape));
      decoder.load({ [own]: wide }, { strict: false });
    }
    return decoder;
  } catch (error) {
    decoder.dispose();
    throw error;
  }
}

function checkTrainable(file: Hyperparameters, config: LlamaConfig, weights: Weights): void {
  const { dim, heads, headSize, ropePairs, ropeScale } = config;
  if (headSize * heads !== dim) file.unsupported(`training heads of ${headSize} in rows of ${dim}`);
  if (ropePairs * 2 !== headSize) file.unsupported("training heads that turn in part");
  if (ropeScale !== 1 || weights.has("rope_freqs.weight")) {
    file.unsupported("training with scaled rotary positions");
  }
}

/**
 * What a GGUF file of a decoder holds.
 *
 * @param decoder One of RMSNorm, SwiGLU and rotary positions, without biases.
 * @param notes The vocabulary, and what else is to be said.
 * @returns What `writeGguf` writes; tensors are borrowed, in float32.
 * @throws {RangeError} When the architecture has no place for what the decoder has.
 */
export function decoderToGguf(decoder: Decoder, notes: GgufNotes = {}): GgufContent {
  checkStorable(decoder);
  const metadata = new Map<string, GgufValue>([["general.architecture", "llama"]]);
  for (const [key, value] of notes.metadata ?? []) metadata.set(key, value);
  for (const [key, value] of sizesOf(decoder)) metadata.set(key, value);
  const types = new Map(notes.types);
  for (const key of [BASE, EPSILON]) types.set(key, "float32");
  return { metadata, types, tensors: tensorsOf(decoder) };
}

const BASE = "llama.rope.freq_base";
const EPSILON = "llama.attention.layer_norm_rms_epsilon";

function sizesOf({ tokens, blocks, norm, contextLength }: Decoder): [string, GgufValue][] {
  const [{ attention, mlp }] = blocks;
  const [vocabularySize, dim] = tokens.weight.shape;
  return [
    ["general.architecture", "llama"],
    // All of float32.
    ["general.file_type", 0],
    ["llama.block_count", blocks.length],
    ["llama.context_length", contextLength],
    ["llama.embedding_length", dim],
    ["llama.feed_forward_length", mlp.up.weight.shape[0]],
    ["llama.attention.head_count", attention.heads],
    ["llama.attention.head_count_kv", attention.keyValueHeads],
    ["llama.rope.dimension_count", attention.headSize],
    ["llama.vocab_size", vocabularySize],
    [BASE, attention.rotary!.base],
    [EPSILON, Math.fround(norm.epsilon)],
  ];
}

function* tensorsOf(decoder: Decoder): Generator<GgufTensorData> {
  for (const [name, tensor] of storedTensors(decoder)) {
    const data = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.byteLength);
    yield { name: storedName(name)!, type: "F32", shape: tensor.shape, data };
  }
}

/** All weights, frozen ones too; not the states of random choices, which are integers. */
function storedTensors(decoder: Decoder): [string, Tensor][] {
  return Object.entries(decoder.state()).filter(([, { dtype }]) => isFloating(dtype));
}

function checkStorable(decoder: Decoder): void {
  const [{ attention, mlp }] = decoder.blocks;
  const obstacles = [
    decoder.norm instanceof RMSNorm ? "" : "LayerNorm",
    decoder.positions === undefined ? "" : "learned positions",
    mlp.activation === "swiglu" ? "" : `the activation ${mlp.activation}`,
    attention.rotary?.layout === "interleaved" ? "" : "heads that do not turn in adjacent pairs",
    decoder.tokens.weight.dtype === "float32" ? "" : decoder.tokens.weight.dtype,
    attention.query.bias === undefined ? "" : "biases",
    storedTensors(decoder).some(([name]) => name.includes(".adapter."))
      ? "adapters that are not merged"
      : "",
  ].filter((obstacle) => obstacle !== "");
  if (obstacles.length === 0) return;
  throw new RangeError(
    `decoderToGguf: the architecture llama has no place for ${obstacles.join(", ")}`,
  );
}
