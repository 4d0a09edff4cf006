"""What PyTorch 2.15 makes, in float64, of small decoders whose weights are a formula.

    python decoders_reference.py

Writes decoders_reference.json beside itself: for a GPT and a Llama the loss of one batch, what
there is to say of each parameter's gradient (its norm, a weighted sum, and some elements), and
the losses of 200 steps of AdamW. The formulas are those of tests/support/formula_decoder.ts.
"""

import json
import math
import pathlib
import sys

import torch

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "bench" / "training"))

from decoder import loss_of, shapes, train  # noqa: E402 - from the folder above

COMMON = dict(vocabularySize=29, dim=24, layers=2, contextLength=16, epsilon=1e-5)
SIZES = {
    "gpt": dict(
        **COMMON,
        heads=3,
        hidden=96,
        positions="learned",
        normalization="layer",
        activation="gelu",
    ),
    "llama": dict(
        **COMMON,
        heads=6,
        keyValueHeads=2,
        hidden=40,
        positions="rotary",
        normalization="rms",
        activation="swiglu",
    ),
}
TRAINING = dict(learningRate=3e-3, betas=[0.9, 0.99], weightDecay=0.1, steps=200, batch=4)
# Elements of each gradient that are written down.
ELEMENTS = 4


def mixed(i):
    """A number of 16 bits that looks random."""
    x = (i + 1) * 0x9E3779B1 & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x85EBCA6B & 0xFFFFFFFF
    return (x ^ x >> 13) >> 16


def weights(name, shape):
    """From -1/4 to 1/4, or around 1 for norms; exact in float32."""
    base = 1.0 if "orm" in name else 0.0
    seed = sum((i + 1) * code for i, code in enumerate(name.encode()))
    count = math.prod(shape)
    values = [base + (mixed(1000 * seed + i) - 32768) / 131072 for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_()


def text(count, vocabulary):
    """Tokens of which three in four follow from the one before."""
    ids = [1]
    for i in range(1, count):
        free = mixed(2 * i) % 4 == 0
        ids.append((mixed(2 * i + 1) if free else 3 * ids[-1] + 5) % vocabulary)
    return torch.tensor(ids)


def figures(gradient):
    flat = gradient.flatten()
    count = flat.numel()
    factors = torch.cos(3 * torch.arange(count, dtype=torch.float64) + 1)
    places = [(2 * k + 1) * count // (2 * ELEMENTS) for k in range(ELEMENTS)]
    return {
        "norm": rounded(flat.norm()),
        "sum": rounded((flat * factors).sum()),
        "elements": [rounded(flat[place]) for place in places],
    }


def rounded(value):
    return float(f"{float(value.detach()):.12g}")


def reference(sizes):
    made = {name: weights(name, shape) for name, shape in shapes(sizes).items()}
    steps, batch, tokens = TRAINING["steps"], TRAINING["batch"], sizes["contextLength"]
    rows = batch * (tokens + 1)
    batches = text(steps * rows, sizes["vocabularySize"]).reshape(steps, batch, tokens + 1)
    ids, targets = batches[0, :, :-1], batches[0, :, 1:].clone()
    targets[1, 3:6] = -100
    loss = loss_of(made, sizes, ids, targets)
    loss.backward()
    gradients = {name: figures(weight.grad) for name, weight in made.items()}
    losses = train(made, sizes, batches, TRAINING)
    return {
        "sizes": sizes,
        "loss": rounded(loss),
        "gradients": gradients,
        "losses": [float(f"{each:.10g}") for each in losses],
    }


torch.set_num_threads(1)
result = {"training": TRAINING, **{name: reference(sizes) for name, sizes in SIZES.items()}}
path = HERE / "decoders_reference.json"
path.write_text(json.dumps(result, indent=None).replace("}, ", "},\n") + "\n")
for name in SIZES:
    print(name, result[name]["loss"], result[name]["losses"][::20], result[name]["losses"][-1])
