"""A safetensors file of f32 tensors, with the version of torch that made them."""

import json
import struct

import torch


def write(path, tensors, metadata=None):
    about = {"torch": torch.__version__.split("+")[0], **(metadata or {})}
    header, offset = {"__metadata__": about}, 0
    for name in sorted(tensors):
        size = 4 * tensors[name].numel()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name].float().contiguous().numpy().tobytes())
