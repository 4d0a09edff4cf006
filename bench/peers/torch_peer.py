"""PyTorch as a contender of `deno task bench:peers`: python torch_peer.py THREADS.

Eager, and without gradients but in training. Products go into a tensor that is there; other results are new
ones, whose memory the allocator keeps for the next call: writing into tensors makes none of
them faster, and layer normalisation slower.
"""

import os
import sys
import time

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


def gpt(shape):
    """The model of training_step.ts: its weights, in the same order, and its loss."""
    layers, dim, heads, tokens, _, vocabulary = shape
    seeds = iter(range(1, 1000))

    def weight(*sizes):
        return tensor(sizes, next(seeds), 0.02 * 3**0.5)

    table, positions = weight(vocabulary, dim), weight(tokens, dim)
    blocks = []
    for _ in range(layers):
        qkv = torch.cat([weight(dim, dim) for _ in range(3)])
        output, up, down = weight(dim, dim), weight(4 * dim, dim), weight(dim, 4 * dim)
        blocks.append([torch.ones(dim), qkv, output, torch.ones(dim), up, down])
    last = torch.ones(dim)
    parameters = [table, positions, *(each for block in blocks for each in block), last]
    for parameter in parameters:
        parameter.requires_grad_()

    def attend(x, qkv, output):
        batch, length, _ = x.shape
        parts = F.linear(x, qkv).split(dim, 2)
        q, k, v = (part.view(batch, length, heads, dim // heads).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.linear(mixed.transpose(1, 2).reshape(batch, length, dim), output)

    def loss(ids, targets):
        x = F.embedding(ids, table) + positions[: ids.shape[1]]
        for norm1, qkv, output, norm2, up, down in blocks:
            x = x + attend(F.layer_norm(x, (dim,), norm1), qkv, output)
            hidden = F.gelu(F.linear(F.layer_norm(x, (dim,), norm2), up))
            x = x + F.linear(hidden, down)
        logits = F.linear(F.layer_norm(x, (dim,), last), table)
        return F.cross_entropy(logits.view(-1, vocabulary), targets.view(-1))

    return parameters, loss


def training(shape, fused):
    """A step, which gives its loss; `fused` is AdamW's."""
    _, _, _, tokens, batch, vocabulary = shape

    def some_ids(seed):
        values = fill((batch, tokens), seed).astype("float64")
        return torch.from_numpy(((values + 1) / 2 * vocabulary).astype("int64"))

    ids, targets = some_ids(1001), some_ids(1002)
    parameters, loss_of = gpt(shape)
    settings = {"lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1, "fused": fused}
    optimizer = torch.optim.AdamW(parameters, **settings)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            loss = loss_of(ids, targets)
        loss.backward()
        optimizer.step()
        return loss

    return step


def seconds_of(step):
    def once():
        started = time.perf_counter()
        step()
        return time.perf_counter() - started

    return min([once() for _ in range(6)][2:])


def train(_, shape):
    faster = min((False, True), key=lambda fused: seconds_of(training(shape, fused)))
    step = training(shape, faster)
    for _ in range(2):
        step()
    last = []

    def run():
        last[:] = [step().detach()]

    return Prepared(run, lambda: last[0].item())


FAMILIES = {
    "gemm": gemm,
    "layer_norm": layer_norm,
    "softmax": softmax,
    "gelu": gelu,
    "add": add,
    "attention": attention,
    "block": block,
    "train": train,
}


def prepare(request):
    case = request["case"]
    return FAMILIES[case["family"]](case, tuple(case["shape"]))


torch.set_num_threads(int(sys.argv[1]))
torch.set_grad_enabled(False)
serve(torch.__version__, prepare)
