"""numpy as a contender of `deno task bench:peers`: python numpy_peer.py THREADS.

Products are OpenBLAS's, which the package brings along. What numpy has no operation for
is composed of those that it has, with temporary arrays kept where that is natural.
"""

import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[1]

import numpy as np  # noqa: E402 - the variable is read when the library loads
from worker import Prepared, fill, serve  # noqa: E402


def gemm(case, shape):
    rows, cols, inner = shape
    a = fill((rows, inner), 1)
    b = fill((cols, inner), 2).T if case["layout"] == "NT" else fill((inner, cols), 2)
    out = np.empty((rows, cols), np.float32)
    return Prepared(lambda: np.matmul(a, b, out=out), lambda: out)


def layer_norm(_, shape):
    x, weight, bias = fill(shape, 1), 1 + fill(shape[-1:], 2), fill(shape[-1:], 3)
    out = np.empty_like(x)

    def run():
        np.subtract(x, x.mean(-1, keepdims=True), out=out)
        variance = np.square(out).mean(-1, keepdims=True)
        np.multiply(out, 1 / np.sqrt(variance + np.float32(1e-5)), out=out)
        np.multiply(out, weight, out=out)
        np.add(out, bias, out=out)

    return Prepared(run, lambda: out)


def _softmax(x, out):
    np.subtract(x, x.max(-1, keepdims=True), out=out)
    np.exp(out, out=out)
    np.divide(out, out.sum(-1, keepdims=True), out=out)


def softmax(_, shape):
    x = fill(shape, 1)
    out = np.empty_like(x)
    return Prepared(lambda: _softmax(x, out), lambda: out)


def gelu(case, shape):
    if case["approximate"] != "tanh":
        return None
    x = fill(shape, 1, 4)
    out = np.empty_like(x)
    root, cubic, half = np.float32((2 / np.pi) ** 0.5), np.float32(0.044715), np.float32(0.5)

    def run():
        np.multiply(x, x, out=out)
        np.multiply(out, cubic * root, out=out)
        np.add(out, root, out=out)
        np.multiply(out, x, out=out)
        np.tanh(out, out=out)
        np.add(out, 1, out=out)
        np.multiply(out, x, out=out)
        np.multiply(out, half, out=out)

    return Prepared(run, lambda: out)


def add(_, shape):
    x, y = fill(shape, 1), fill(shape, 2)
    return Prepared(lambda: np.add(x, y, out=x), lambda: x)


def attention(_, shape):
    heads, tokens, size = shape
    q, k, v = (
        np.ascontiguousarray(fill((tokens, heads, size), seed).transpose(1, 0, 2))
        for seed in (1, 2, 3)
    )
    keys = k.transpose(0, 2, 1)
    scores = np.empty((heads, tokens, tokens), np.float32)
    out = np.empty_like(q)
    scale = np.float32(size**-0.5)

    def run():
        np.matmul(q, keys, out=scores)
        np.multiply(scores, scale, out=scores)
        _softmax(scores, scores)
        np.matmul(scores, v, out=out)

    return Prepared(run, lambda: out.transpose(1, 0, 2))


FAMILIES = {
    "gemm": gemm,
    "layer_norm": layer_norm,
    "softmax": softmax,
    "gelu": gelu,
    "add": add,
    "attention": attention,
}


def prepare(request):
    case = request["case"]
    family = FAMILIES.get(case["family"])
    return None if family is None else family(case, tuple(case["shape"]))


serve(np.__version__, prepare)
