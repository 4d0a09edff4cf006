"""PyTorch's part of lora.ts: python torch_lora.py FOLDER THREADS

Reads settings.json, weights.safetensors, adapters.safetensors and batch.safetensors of the folder.
For each line that it is sent it takes one step of AdamW on the adapters, whose base is frozen, and
answers with the loss before it, and the most memory that was resident, in bytes.
"""

import json
import os
import resource
import sys

os.environ["OMP_NUM_THREADS"] = sys.argv[2]

import decoder  # noqa: E402 - the variable is read when the library loads
import torch  # noqa: E402

torch.set_num_threads(int(sys.argv[2]))
folder = sys.argv[1]
with open(f"{folder}/settings.json", encoding="utf-8") as file:
    settings = json.load(file)
weights = decoder.read_tensors(f"{folder}/weights.safetensors")
adapters = decoder.read_tensors(f"{folder}/adapters.safetensors")
batch = decoder.read_tensors(f"{folder}/batch.safetensors")["batch"].long()
for adapter in adapters.values():
    adapter.requires_grad_()
PREFIX = "base_model.model."


class Adapted:
    """A frozen weight of whose transpose `x @ weight.T` asks, with the adapter's part."""

    def __init__(self, name):
        self.weight = weights[f"{name}.weight"]
        self.a = adapters[f"{PREFIX}{name}.lora_A.weight"]
        self.b = adapters[f"{PREFIX}{name}.lora_B.weight"]

    @property
    def T(self):
        return self

    def __rmatmul__(self, x):
        return x @ self.weight.T + settings["scale"] * ((x @ self.a.T) @ self.b.T)


mixed = dict(weights)
for key in adapters:
    if key.endswith(".lora_A.weight"):
        layer = key[len(PREFIX) : -len(".lora_A.weight")]
        mixed[f"{layer}.weight"] = Adapted(layer)
optimizer = torch.optim.AdamW(adapters.values(), lr=settings["learningRate"], weight_decay=0)
print("ready", flush=True)
for _ in sys.stdin:
    optimizer.zero_grad(set_to_none=True)
    loss = decoder.loss_of(mixed, settings["sizes"], batch[:, :-1], batch[:, 1:])
    loss.backward()
    optimizer.step()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([loss.item(), resident]), flush=True)
