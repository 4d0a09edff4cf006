"""PyTorch's part of curve.ts: python torch_decoder.py FOLDER THREADS

Reads settings.json, weights.safetensors and batches.safetensors of the folder, and writes
torch.safetensors: the gradients of the first batch in float32 and in float64, and the losses of
steps of AdamW in float32, one for each batch.
"""

import json
import os
import sys

os.environ["OMP_NUM_THREADS"] = sys.argv[2]

import torch  # noqa: E402 - the variable is read when the library loads
from decoder import loss_of, read_tensors, train, write_tensors  # noqa: E402

torch.set_num_threads(int(sys.argv[2]))
folder = sys.argv[1]
with open(f"{folder}/settings.json", encoding="utf-8") as file:
    settings = json.load(file)
sizes = settings["sizes"]
weights = read_tensors(f"{folder}/weights.safetensors")
batches = read_tensors(f"{folder}/batches.safetensors")["batches"].long()


def leaves(dtype):
    """The first weights in a dtype."""
    return {name: each.to(dtype).clone().requires_grad_() for name, each in weights.items()}


found = {}
for dtype, name in ((torch.float32, "float32"), (torch.float64, "float64")):
    own = leaves(dtype)
    loss_of(own, sizes, batches[0, :, :-1], batches[0, :, 1:]).backward()
    found |= {f"{name}/{key}": weight.grad for key, weight in own.items()}
losses = train(leaves(torch.float32), sizes, batches, settings)
found["losses"] = torch.tensor(losses, dtype=torch.float64)
write_tensors(f"{folder}/torch.safetensors", found)
