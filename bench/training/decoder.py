"""Quern's `Decoder` in PyTorch, as a function of its parameters by name, and safetensors files.

Sizes are the options of `Decoder`, as JSON has them; `forward` is what docs of `Decoder` say it
computes, with PyTorch's own functions for attention, norms and activations.
"""

import json
import math

import torch
import torch.nn.functional as F


def shapes(sizes):
    """The shape of each parameter."""
    dim, vocabulary = sizes["dim"], sizes["vocabularySize"]
    hidden = sizes["hidden"]
    keys = dim // sizes["heads"] * sizes.get("keyValueHeads", sizes["heads"])
    found = {"tokens.weight": [vocabulary, dim]}
    if sizes["positions"] == "learned":
        found["positions.weight"] = [sizes["contextLength"], dim]
    for i in range(sizes["layers"]):
        at = f"blocks.{i}"
        found[f"{at}.attention.query.weight"] = [dim, dim]
        found[f"{at}.attention.key.weight"] = [keys, dim]
        found[f"{at}.attention.value.weight"] = [keys, dim]
        found[f"{at}.attention.output.weight"] = [dim, dim]
        if sizes["activation"] == "swiglu":
            found[f"{at}.mlp.gate.weight"] = [hidden, dim]
        found[f"{at}.mlp.up.weight"] = [hidden, dim]
        found[f"{at}.mlp.down.weight"] = [dim, hidden]
        found[f"{at}.attentionNorm.weight"] = [dim]
        found[f"{at}.mlpNorm.weight"] = [dim]
    found["norm.weight"] = [dim]
    return found


def turned(heads, base=10000.0):
    """Heads [batch, heads, tokens, size] whose pairs 2i, 2i+1 turn by their positions."""
    tokens, size = heads.shape[-2:]
    pairs = torch.arange(0, size, 2, dtype=torch.float64)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * base ** (-pairs / size)
    cos, sin = angles.cos().to(heads.dtype), angles.sin().to(heads.dtype)
    even, odd = heads[..., 0::2], heads[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


def norm(x, weight, sizes):
    dim, epsilon = weight.shape, sizes["epsilon"]
    if sizes["normalization"] == "rms":
        return F.rms_norm(x, dim, weight, epsilon)
    return F.layer_norm(x, dim, weight, None, epsilon)


def attention(x, weights, at, sizes):
    size = sizes["dim"] // sizes["heads"]

    def heads(name):
        rows = x @ weights[f"{at}.{name}.weight"].T
        return rows.unflatten(-1, (-1, size)).transpose(-2, -3)

    query, key, value = heads("query"), heads("key"), heads("value")
    if sizes["positions"] == "rotary":
        query, key = turned(query), turned(key)
    group = query.shape[-3] // key.shape[-3]
    if group > 1:
        key, value = key.repeat_interleave(group, -3), value.repeat_interleave(group, -3)
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return mixed.transpose(-2, -3).flatten(-2) @ weights[f"{at}.output.weight"].T


def mlp(x, weights, at, sizes):
    hidden = x @ weights[f"{at}.up.weight"].T
    if sizes["activation"] == "swiglu":
        hidden = F.silu(x @ weights[f"{at}.gate.weight"].T) * hidden
    else:
        hidden = F.gelu(hidden)
    return hidden @ weights[f"{at}.down.weight"].T


def forward(weights, sizes, ids):
    """Logits [batch, tokens, vocabulary] of ids [batch, tokens]."""
    x = weights["tokens.weight"][ids]
    if sizes["positions"] == "learned":
        x = x + weights["positions.weight"][: ids.shape[-1]]
    for i in range(sizes["layers"]):
        at = f"blocks.{i}"
        normed = norm(x, weights[f"{at}.attentionNorm.weight"], sizes)
        x = x + attention(normed, weights, f"{at}.attention", sizes)
        normed = norm(x, weights[f"{at}.mlpNorm.weight"], sizes)
        x = x + mlp(normed, weights, f"{at}.mlp", sizes)
    return norm(x, weights["norm.weight"], sizes) @ weights["tokens.weight"].T


def loss_of(weights, sizes, ids, targets):
    """The mean cross-entropy; targets of -100 do not count."""
    return F.cross_entropy(forward(weights, sizes, ids).flatten(0, -2), targets.flatten())


def train(weights, sizes, batches, settings):
    """Steps of AdamW, one for each batch [batch, tokens + 1]; gives the loss of each."""
    optimizer = torch.optim.AdamW(
        list(weights.values()),
        lr=settings["learningRate"],
        betas=tuple(settings["betas"]),
        weight_decay=settings["weightDecay"],
    )
    losses = []
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(weights, sizes, batch[:, :-1], batch[:, 1:])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


DTYPES = {"F32": torch.float32, "F64": torch.float64, "I32": torch.int32}


def read_tensors(path):
    """The tensors of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype, (begin, _) = DTYPES[entry["dtype"]], entry["data_offsets"]
        count = math.prod(entry["shape"])
        flat = torch.frombuffer(data, dtype=dtype, count=count, offset=begin)
        found[name] = flat.reshape(entry["shape"]).clone()
    return found


def write_tensors(path, tensors):
    """Writes tensors of float32 and float64 into a safetensors file."""
    header, parts, at = {}, [], 0
    for name, tensor in tensors.items():
        part = tensor.detach().contiguous().numpy().tobytes()
        dtype = next(key for key, value in DTYPES.items() if value == tensor.dtype)
        offsets = [at, at + len(part)]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        parts.append(part)
        at += len(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(parts))
