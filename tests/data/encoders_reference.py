"""What PyTorch makes of small encoders and classifiers whose weights are a formula of their names.

    python encoders_reference.py

Writes encoders_reference.json (the last layer's rows of three sequences) and
classifiers_reference.json (the scores of four) beside itself, in float64. Needs torch, and
transformers 4.57.1. Nomic's encoder, which transformers does not have, is its paper's equations.
"""
import json
import math
import pathlib

import torch
import transformers

SEQUENCES = [
    [3, 5, 9, 12],
    [7],
    [2, 2, 30, 11, 4, 6, 39, 8, 10, 13, 14, 15, 16, 17, 18, 19, 20, 21],
]
# Tokens, and the type of each.
PAIRS = [
    ([3, 5, 9, 12], [0] * 4),
    ([7], [0]),
    ([2, 5, 3, 30, 11, 3], [0] * 3 + [1] * 3),
    ([2, 4, 6, 8, 10, 12, 14, 3, 21, 22, 23, 24, 25, 26, 3], [0] * 8 + [1] * 7),
]
SIZES = dict(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=24,
)
DISTILBERT = dict(
    vocab_size=40, dim=16, n_layers=2, n_heads=4, hidden_dim=24, max_position_embeddings=20
)
BERT = dict(max_position_embeddings=20, **SIZES)
# Two positions of these stand for padding.
ROBERTA = dict(max_position_embeddings=22, type_vocab_size=1, pad_token_id=1, **SIZES)
MPNET = dict(max_position_embeddings=22, **SIZES)
# Members of a configuration that say what is computed.
MEMBERS = """vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size
hidden_act max_position_embeddings layer_norm_eps pad_token_id dim n_layers n_heads hidden_dim
activation relative_attention_num_buckets type_vocab_size id2label problem_type model_type""".split()


def weights(name, shape):
    """The formula; tests/support/small_encoder.ts has the same."""
    norm = "norm" in name.lower() or "emb_ln" in name
    base = 1.0 if norm and name.endswith("weight") else 0.0
    seed = sum(name.encode())
    values = [base + 0.35 * math.sin(0.7 * (i + 1) + seed) for i in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float32).reshape(shape).double()


def filled(model):
    """The model in float64 with the formula's weights, and their shapes."""
    model = model.double().eval()
    state = model.state_dict()
    shapes = {name: list(t.shape) for name, t in state.items() if t.is_floating_point()}
    state.update({name: weights(name, shape) for name, shape in shapes.items()})
    model.load_state_dict(state)
    return model, shapes


def stated(config):
    values = config.to_dict()
    return {key: values[key] for key in MEMBERS if values.get(key) is not None}


def rounded(rows):
    return [[round(float(value), 8) for value in row] for row in rows]


@torch.no_grad()
def encoder(kind, **options):
    config = getattr(transformers, f"{kind}Config")(**options)
    make = getattr(transformers, f"{kind}Model")
    plain = {} if kind == "DistilBert" else {"add_pooling_layer": False}
    model, shapes = filled(make(config, **plain))
    hidden = [rounded(model(torch.tensor([ids])).last_hidden_state[0]) for ids in SEQUENCES]
    members = stated(config)
    members.pop("id2label")
    return {"config": members, "shapes": shapes, "hidden": hidden}


@torch.no_grad()
def classifier(kind, **options):
    config = getattr(transformers, f"{kind}Config")(**options)
    model, shapes = filled(getattr(transformers, f"{kind}ForSequenceClassification")(config))
    logits = []
    for ids, types in PAIRS:
        typed = {"token_type_ids": torch.tensor([types])} if kind == "Bert" else {}
        logits += rounded(model(torch.tensor([ids]), **typed).logits)
    return {"config": stated(config), "shapes": shapes, "logits": logits}


def nomic():
    """Nomic's encoder (Nussbaum et al., 2024): BERT with rotary positions and SwiGLU."""
    dim, heads, layers, inner, base = 16, 4, 2, 24, 1000.0
    size, shapes = dim // heads, {}

    def weight(name, *shape):
        shapes[name] = list(shape)
        return weights(name, list(shape))

    def norm(x, name):
        scale, shift = weight(f"{name}.weight", dim), weight(f"{name}.bias", dim)
        return torch.nn.functional.layer_norm(x, (dim,), scale, shift, 1e-12)

    def rows(ids):
        x = weight("embeddings.word_embeddings.weight", 40, dim)[ids]
        x = norm(x + weight("embeddings.token_type_embeddings.weight", 2, dim)[0], "emb_ln")
        turns = torch.arange(len(ids)).double()[:, None]
        turns = turns * base ** (-torch.arange(0, size, 2).double() / size)
        cos, sin = turns.cos().repeat(1, 2), turns.sin().repeat(1, 2)

        def turned(t):
            return t * cos + torch.cat([-t[..., size // 2 :], t[..., : size // 2]], -1) * sin

        for layer in range(layers):
            at = f"encoder.layers.{layer}"
            together = x @ weight(f"{at}.attn.Wqkv.weight", 3 * dim, dim).T
            q, k, v = (t.view(-1, heads, size).transpose(0, 1) for t in together.split(dim, 1))
            scores = turned(q) @ turned(k).transpose(1, 2) / math.sqrt(size)
            attended = (scores.softmax(-1) @ v).transpose(0, 1).reshape(-1, dim)
            x = norm(x + attended @ weight(f"{at}.attn.out_proj.weight", dim, dim).T, f"{at}.norm1")
            up = x @ weight(f"{at}.mlp.fc11.weight", inner, dim).T
            gate = x @ weight(f"{at}.mlp.fc12.weight", inner, dim).T
            hidden = up * torch.nn.functional.silu(gate)
            x = norm(x + hidden @ weight(f"{at}.mlp.fc2.weight", dim, inner).T, f"{at}.norm2")
        return x

    config = dict(model_type="nomic_bert", vocab_size=40, n_embd=dim, n_head=heads, n_layer=layers)
    config |= dict(n_inner=inner, n_positions=20, activation_function="swiglu", prenorm=False)
    config |= dict(rotary_emb_fraction=1.0, rotary_emb_base=1000, rotary_emb_interleaved=False)
    hidden = [rounded(rows(ids)) for ids in SEQUENCES]
    return {"config": config | {"layer_norm_epsilon": 1e-12}, "shapes": shapes, "hidden": hidden}


def write(name, references):
    path = pathlib.Path(__file__).parent / f"{name}_reference.json"
    lines = [f"{json.dumps(key)}: {json.dumps(one)}" for key, one in references.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


write("encoders", {
    "bert": encoder("Bert", **BERT),
    "bert, gelu_new": encoder("Bert", hidden_act="gelu_new", **BERT),
    "roberta": encoder("Roberta", **ROBERTA),
    "xlm-roberta": encoder("XLMRoberta", **{**ROBERTA, "layer_norm_eps": 1e-5}),
    "distilbert": encoder("DistilBert", **DISTILBERT),
    "mpnet": encoder("MPNet", **MPNET),
    "nomic_bert": nomic(),
})
LABELS = ["bad", "so so", "good"]
write("classifiers", {
    "bert": classifier("Bert", id2label=dict(enumerate(LABELS)), **BERT),
    "bert, one label": classifier("Bert", num_labels=1, **BERT),
    "roberta": classifier(
        "Roberta", num_labels=4, problem_type="multi_label_classification", **ROBERTA
    ),
    "distilbert": classifier("DistilBert", **DISTILBERT),
    "mpnet": classifier("MPNet", num_labels=2, problem_type="regression", **MPNET),
})
