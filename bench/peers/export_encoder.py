"""Exports an encoder to ONNX, as the hub's models are: python export_encoder.py FOLDER FILE.

FOLDER is a model of transformers, such as that of `quern pull minilm`; FILE is for
`quern bench embed --peer --onnx`. Needs torch, onnx and transformers.
"""

import sys

import torch
from transformers import AutoModel

folder, path = sys.argv[1:]


class LastLayer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


NAMES = ["input_ids", "attention_mask", "token_type_ids"]
example = (torch.ones(2, 16, dtype=torch.int64), torch.ones(2, 16, dtype=torch.int64))
torch.onnx.export(
    LastLayer().eval(),
    (*example, torch.zeros(2, 16, dtype=torch.int64)),
    path,
    input_names=NAMES,
    output_names=["last_hidden_state"],
    dynamic_axes={name: {0: "batch", 1: "sequence"} for name in [*NAMES, "last_hidden_state"]},
    opset_version=17,
    dynamo=False,
)
