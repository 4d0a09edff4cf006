/**
 * Layers and models as one table. `modules_test.ts` fails when an exported module has no case.
 */
import { Decoder, SentenceEncoder } from "../../lib/models/mod.ts";
import * as nn from "../../lib/nn/mod.ts";
import type { LayerDType, MLPActivation, Module } from "../../lib/nn/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { d } from "./gradient_cases.ts";

/** A module with inputs that fit. */
export interface ModuleCase {
  /** The exported class's name. */
  name: string;
  /** What is special about the case; nothing for the plain one. */
  what: string;
  /** A new module, the same each time. */
  make: (dtype: LayerDType) => Module;
  /** What a pass takes: float64 where there is a gradient, else integers. */
  inputs: () => Tensor[];
  /** A pass. */
  run: (module: Module, inputs: Tensor[]) => Tensor;
}

/** What a case calls; inputs are passed on as they are. */
type Pass = (...inputs: Tensor[]) => Tensor;

/** A case whose pass is `forward` of the inputs, or what `pass` makes of the module. */
function of<M extends Module>(
  Class: { readonly name: string },
  what: string,
  make: (dtype: LayerDType) => M,
  inputs: () => Tensor[],
  pass: (module: M) => Pass = (module) =>
    (module as unknown as { forward: Pass }).forward.bind(module),
): ModuleCase {
  const run: ModuleCase["run"] = (module, inputs) => pass(module as M)(...inputs);
  return { name: Class.name, what, make, inputs, run };
}

const rows = (dim: number, k = 1) => () => [d([2, 3, dim], k)];
const tokens = () => Tensor.from([[3, 1, 4], [1, 0, 2]], "int32");
const activations: MLPActivation[] = ["gelu", "gelu_tanh", "relu", "silu", "swiglu", "geglu"];
const seed = 1;
const block = { dim: 8, heads: 2, hidden: 5, causal: true, seed } as const;
const decoder = {
  vocabularySize: 5,
  dim: 4,
  layers: 1,
  heads: 2,
  contextLength: 4,
  hidden: 3,
  seed,
};
const encoder = {
  vocabularySize: 5,
  dim: 4,
  layers: 1,
  heads: 2,
  hidden: 3,
  contextLength: 4,
  seed,
};

/** The loss of the tokens behind. */
const lossOf = (model: Decoder<LayerDType>) => (ids: Tensor) => {
  using targets = Tensor.from([[1, 4, -100], [0, 2, 2]], "int32");
  return model.loss(ids as Tensor<"int32">, targets);
};

/** Every module, often in several cases. */
export const moduleCases: ModuleCase[] = [
  of(nn.Linear, "", (dtype) => new nn.Linear(3, 2, { dtype, seed }), rows(3)),
  of(
    nn.Linear,
    "with SiLU, without bias",
    (dtype) => {
      return new nn.Linear(3, 2, { dtype, seed, bias: false });
    },
    rows(3),
    (layer) => (x) => layer.forward(x as Tensor<LayerDType>, { activation: "silu" }),
  ),
  of(nn.Embedding, "", (dtype) => new nn.Embedding(5, 3, { dtype, seed }), () => [tokens()]),
  of(nn.Positions, "", (dtype) => new nn.Positions(4, 3, { dtype, seed }), rows(3)),
  of(
    nn.Positions,
    "from the second on",
    (dtype) => {
      return new nn.Positions(4, 3, { dtype, seed });
    },
    rows(3),
    (layer) => (x) => layer.forward(x as Tensor<LayerDType>, { start: 1 }),
  ),
  of(nn.LayerNorm, "", (dtype) => new nn.LayerNorm(4, { dtype }), rows(4)),
  of(nn.LayerNorm, "without bias", (dtype) => {
    return new nn.LayerNorm(4, { dtype, bias: false });
  }, rows(4)),
  of(nn.RMSNorm, "", (dtype) => new nn.RMSNorm(4, { dtype, epsilon: 0.1 }), rows(4)),
  of(nn.Dropout, "", () => new nn.Dropout(0.4, { seed }), rows(4)),
  ...activations.map((activation) =>
    of(nn.MLP, `with ${activation}`, (dtype) => {
      return new nn.MLP({ dim: 3, hidden: 5, activation, dtype, seed });
    }, rows(3))
  ),
  of(nn.MultiHeadAttention, "", (dtype) => {
    return new nn.MultiHeadAttention({ dim: 8, heads: 2, dtype, seed });
  }, rows(8)),
  of(nn.MultiHeadAttention, "causal, with turned and grouped heads", (dtype) => {
    const heads = { dim: 8, heads: 4, keyValueHeads: 2, bias: false, rotary: true, causal: true };
    return new nn.MultiHeadAttention({ ...heads, dtype, seed });
  }, rows(8)),
  of(
    nn.MultiHeadAttention,
    "to a context",
    (dtype) => {
      return new nn.MultiHeadAttention({ dim: 8, heads: 2, contextDim: 3, dtype, seed });
    },
    () => [d([2, 3, 8], 1), d([2, 2, 3], 2)],
    (layer) => (x, context) => {
      return layer.forward(x as Tensor<LayerDType>, { context: context as Tensor<LayerDType> });
    },
  ),
  of(nn.TransformerBlock, "", (dtype) => new nn.TransformerBlock({ ...block, dtype }), rows(8)),
  of(nn.TransformerBlock, "as in a Llama, with dropout", (dtype) => {
    const llama = { normalization: "rms", activation: "swiglu", dropout: 0.3 } as const;
    return new nn.TransformerBlock({ ...block, ...llama, rotary: { layout: "halves" }, dtype });
  }, rows(8)),
  of(nn.TransformerBlock, "normalised behind", (dtype) => {
    return new nn.TransformerBlock({ ...block, norm: "post", keyValueHeads: 1, dtype });
  }, rows(8)),
  of(nn.LoraLayer, "", (dtype) => new nn.LoraLayer(3, 2, { rank: 2, dtype, seed }), rows(3)),
  of(nn.LoraLayer, "with dropout", (dtype) => {
    return new nn.LoraLayer(3, 2, { rank: 1, dropout: 0.3, dtype, seed });
  }, rows(3)),
  of(Decoder, "as a Llama", (dtype) => new Decoder({ ...decoder, dtype }), () => [tokens()]),
  of(
    Decoder,
    "as a GPT, with dropout",
    (dtype) => {
      const gpt = { positions: "learned", normalization: "layer", activation: "gelu" } as const;
      return new Decoder({ ...decoder, ...gpt, bias: true, dropout: 0.2, dtype });
    },
    () => [tokens()],
    lossOf,
  ),
  of(
    Decoder,
    "with a head of its own",
    (dtype) => {
      return new Decoder({ ...decoder, tied: false, keyValueHeads: 1, dtype });
    },
    () => [tokens()],
    lossOf,
  ),
  of(SentenceEncoder, "", (dtype) => new SentenceEncoder({ ...encoder, dtype }), () => [tokens()]),
  of(
    SentenceEncoder,
    "of the first token, with padding",
    (dtype) => {
      return new SentenceEncoder({ ...encoder, pooling: "cls", dtype });
    },
    () => [tokens()],
    (model) => (ids) => {
      using mask = Tensor.from([[true, true, true], [true, true, false]], "bool");
      return model.forward(ids as Tensor<"int32">, { mask });
    },
  ),
];
