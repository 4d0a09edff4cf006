"""PyTorch as a contender of `deno task bench:peers`: python torch_peer.py THREADS.

Eager, without gradients. Products go into a tensor that is there; other results are new
ones, whose memory the allocator keeps for the next call: writing into tensors makes none of
them faster, and layer normalisation slower.
"""

import os
import sys

os.environ["OMP_NUM_THREADS"] = sys.argv[1]
os.environ["MKL_NUM_THREADS"] = sys.argv[1]

import torch  # noqa: E402 - the variables are read when the library loads
import torch.nn.functional as F  # noqa: E402
from worker import Prepared, fill, serve  # noqa: E402


def tensor(shape, seed, scale=1.0):
    return torch.from_numpy(fill(shape, seed, scale))


def into(out, run):
    """An operation that writes into a tensor."""
    return Prepared(run, lambda: out)


def returning(run):
    """An operation that gives a new tensor."""
    return Prepared(run, run)


def gemm(case, shape):
    rows, cols, inner = shape
    a = tensor((rows, inner), 1)
    b = tensor((cols, inner), 2).t() if case["layout"] == "NT" else tensor((inner, cols), 2)
    out = torch.empty(rows, cols)
    return into(out, lambda: torch.mm(a, b, out=out))


def layer_norm(_, shape):
    cols = shape[-1:]
    x, weight, bias = tensor(shape, 1), 1 + tensor(cols, 2), tensor(cols, 3)
    return returning(lambda: F.layer_norm(x, cols, weight, bias, 1e-5))


def softmax(_, shape):
    x = tensor(shape, 1)
    return returning(lambda: torch.softmax(x, -1))


def gelu(case, shape):
    x = tensor(shape, 1, 4)
    form = case["approximate"]
    return returning(lambda: F.gelu(x, approximate=form))


def add(_, shape):
    x, y = tensor(shape, 1), tensor(shape, 2)
    return into(x, lambda: x.add_(y))


def attention(_, shape):
    heads, tokens, size = shape
    q, k, v = (
        tensor((tokens, heads, size), seed).transpose(0, 1).contiguous().unsqueeze(0)
        for seed in (1, 2, 3)
    )

    def run():
        return F.scaled_dot_product_attention(q, k, v)

    return Prepared(run, lambda: run()[0].transpose(0, 1))


def block(_, shape):
    tokens, dim, heads = shape
    seeds = iter(range(1, 14))

    def random(sizes, deviation):
        return tensor(sizes, next(seeds), deviation * 3**0.5)

    def layer(outputs, inputs):
        return random((outputs, inputs), inputs**-0.5), random((outputs,), 0.1)

    x = random((tokens, dim), 1)
    norm1, norm2 = ((random((dim,), 1), random((dim,), 0.1)) for _ in range(2))
    qkv, proj = layer(3 * dim, dim), layer(dim, dim)
    up, down = layer(4 * dim, dim), layer(dim, 4 * dim)
    x = x.unsqueeze(0)

    def run():
        parts = F.linear(F.layer_norm(x, (dim,), *norm1), *qkv).split(dim, 2)
        q, k, v = (part.view(1, tokens, heads, dim // heads).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, tokens, dim)
        y = x + F.linear(mixed, *proj)
        hidden = F.gelu(F.linear(F.layer_norm(y, (dim,), *norm2), *up), approximate="tanh")
        return y + F.linear(hidden, *down)

    return returning(run)


FAMILIES = {
    "gemm": gemm,
    "layer_norm": layer_norm,
    "softmax": softmax,
    "gelu": gelu,
    "add": add,
    "attention": attention,
    "block": block,
}


def prepare(request):
    case = request["case"]
    return FAMILIES[case["family"]](case, tuple(case["shape"]))


torch.set_num_threads(int(sys.argv[1]))
torch.set_grad_enabled(False)
serve(torch.__version__, prepare)
