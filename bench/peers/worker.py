"""The protocol that contenders of `deno task bench:peers` speak, for Python.

What is asked and answered stands in worker.mjs, which is the same for JavaScript.
"""

import json
import sys
import time

import numpy as np

SAMPLED = 16


def fill(shape, seed, scale=1.0):
    """Numbers from -scale to scale, the same as worker.mjs makes."""
    length = int(np.prod(shape))
    mask = 0xFFFFFFFF
    index = np.arange(length, dtype=np.uint64) + ((seed * 0x9E3779B9) & mask)
    bits = (index * 0x85EBCA6B & mask).astype(np.uint32)
    bits = (bits ^ (bits >> 13)) * np.uint32(0xC2B2AE35)
    bits ^= bits >> 16
    values = ((bits >> 8).astype(np.float64) / 2**23 - 1) * scale
    return values.astype(np.float32).reshape(shape)


class Prepared:
    """What a contender made of a case: the operation, and all that it last made."""

    def __init__(self, run, result):
        self.run = run
        self.result = result


def _sample(values):
    flat = np.asarray(values).reshape(-1)
    last = flat.size - 1
    return [float(flat[i * last // (SAMPLED - 1)]) for i in range(SAMPLED)]


def _repeat(run, operations):
    started = time.perf_counter()
    for _ in range(operations):
        run()
    return time.perf_counter() - started


def _estimate(run):
    operations = 1
    while True:
        seconds = _repeat(run, operations)
        if seconds >= 0.01:
            return seconds / operations
        operations *= 4


def _peak_bytes():
    if sys.platform != "linux":
        return None
    with open("/proc/self/status") as status:
        lines = (line.split() for line in status)
        return next(int(line[1]) * 1024 for line in lines if line[0] == "VmHWM:")


class _Server:
    def __init__(self, prepare):
        self.make = prepare
        self.cases = {}
        self.used = time.process_time()

    def prepare(self, request):
        prepared = self.make(request)
        if prepared is None:
            return {"unsupported": True}
        prepared.run()
        # Taken of the first run: an operation in place changes its operand with each.
        sample = _sample(prepared.result())
        self.cases[request["prepare"]] = [prepared, _estimate(prepared.run)]
        return {"sample": sample}

    def run(self, request):
        started = time.process_time()
        case = self.cases[request["run"]]
        prepared, seconds = case
        _repeat(prepared.run, int(request["warmup"] / seconds))
        operations = max(1, -int(-request["window"] // seconds))
        case[1] = _repeat(prepared.run, operations) / operations
        return {
            "seconds": case[1],
            "operations": operations,
            "cpu": time.process_time() - started,
            "idle": started - self.used,
            "peak": _peak_bytes(),
        }

    def release(self, request):
        self.cases.pop(request["release"], None)
        return {}

    def answer(self, request):
        for kind in ("prepare", "run", "release"):
            if kind in request:
                return getattr(self, kind)(request)
        raise ValueError(f"no such request: {request}")


def _write(value):
    print(json.dumps(value), flush=True)


def serve(version, prepare):
    """Answers requests until standard input ends."""
    server = _Server(prepare)
    _write({"version": version})
    for line in sys.stdin:
        try:
            answer = server.answer(json.loads(line))
        except Exception as error:  # Whatever a peer refuses is told, and is no reason to end.
            answer = {"error": f"{type(error).__name__}: {error}"}
        _write(answer)
        server.used = time.process_time()
