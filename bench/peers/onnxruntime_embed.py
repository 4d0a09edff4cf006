"""onnxruntime with the tokenizers library as a contender of `quern bench embed`:
python onnxruntime_embed.py TOKENIZER MODEL THREADS.

TOKENIZER is a tokenizer.json, MODEL an encoder's export to ONNX whose output are the rows
of the last layer. What is asked and answered stands in lib/cli/bench/embed_worker.ts.
"""

import time

started = time.perf_counter_ns()

import json
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer_path, model_path, threads = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
options.inter_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])
tokenizer = Tokenizer.from_file(tokenizer_path)
tokenizer.enable_padding()
tokenizer.enable_truncation(512)


def embed_batch(texts):
    encodings = tokenizer.encode_batch(texts)
    mask = np.array([e.attention_mask for e in encodings], dtype=np.int64)
    feeds = {
        "input_ids": np.array([e.ids for e in encodings], dtype=np.int64),
        "attention_mask": mask,
        "token_type_ids": np.array([e.type_ids for e in encodings], dtype=np.int64),
    }
    hidden = session.run(None, feeds)[0]
    weights = mask[:, :, None].astype(np.float32)
    vectors = (hidden * weights).sum(1) / weights.sum(1)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embed(texts, batch):
    return np.concatenate([embed_batch(texts[i : i + batch]) for i in range(0, len(texts), batch)])


embed(["The mill stood by the river."], 1)
first_ns = time.perf_counter_ns() - started


def write(value):
    print(json.dumps(value), flush=True)


write({"version": onnxruntime.__version__, "firstNs": first_ns})
for line in sys.stdin:
    request = json.loads(line)
    began = time.perf_counter_ns()
    for _ in range(request["repeat"]):
        vectors = embed(request["texts"], request["batch"])
    ns = (time.perf_counter_ns() - began) / request["repeat"]
    write({"ns": ns, "sample": vectors[0].tolist()})
