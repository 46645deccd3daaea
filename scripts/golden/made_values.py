"""Numbers that tests/support/made_values.h makes as well."""

import math

import numpy as np
import torch


def bits(stream, count):
    """The first `count` numbers of row `stream`, each of 32 bits."""
    mask = np.uint64(0xFFFFFFFF)
    h = np.arange(count, dtype=np.uint64) * np.uint64(2654435761)
    h = (h + np.uint64(stream * 40503 + 12345)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & mask
    return h ^ (h >> np.uint64(13))


def array(shape, stream, scale=1.0, shift=0.0):
    """f32 numbers in (-1/2, 1/2) times scale, plus shift."""
    u = bits(stream, math.prod(shape)).astype(np.float64) / 4294967296.0 - 0.5
    return torch.from_numpy((u * scale + shift).astype(np.float32)).view(shape)


def integers(shape, stream, limit):
    """i64 numbers in [0, limit)."""
    values = bits(stream, math.prod(shape)) % np.uint64(limit)
    return torch.from_numpy(values.astype(np.int64)).view(shape)


def fill(module):
    """Sets all parameters, the k-th by its name from stream k."""
    for k, (name, parameter) in enumerate(sorted(module.named_parameters())):
        shape, scale, shift = tuple(parameter.shape), 0.2, 0.0
        if len(shape) >= 2:
            scale = math.sqrt(12.0 / (parameter.numel() // shape[0]))
        elif name.endswith("weight"):
            shift = 1.0
        with torch.no_grad():
            parameter.copy_(array(shape, k, scale, shift))
