"""onnxruntime as a contender of `deno task bench:peers`: python onnxruntime_peer.py THREADS.

It knows no operation by name: a request carries a model of one operation, in a file, with
the names of its operands and how they are filled. Operands and result are bound once, so
that a run copies nothing.
"""

import sys

import numpy as np
import onnxruntime
from worker import Prepared, fill, serve


def prepare(request):
    model = request.get("model")
    if model is None:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[1])
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model["path"], options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    inputs = [value(fill(i["shape"], i["seed"], i["scale"])) for i in model["inputs"]]
    for described, operand in zip(model["inputs"], inputs):
        binding.bind_ortvalue_input(described["name"], operand)
    out = value(np.empty(model["output"]["shape"], np.float32))
    binding.bind_ortvalue_output(model["output"]["name"], out)
    # The binding points into the operands and does not keep them.
    run = lambda keep=inputs: session.run_with_iobinding(binding)  # noqa: E731
    return Prepared(run, out.numpy)


serve(onnxruntime.__version__, prepare)
