#!/usr/bin/env python3
"""Writes tests/golden/*.safetensors: what PyTorch 2.x gives for small inputs, values and gradients.

usage: scripts/make_golden.py [FOLDER]        needs torch and numpy; runs on the CPU

One file per family. It holds one flat array per dtype, "f32", "bool" and so on, and in its metadata
under "cases" a JSON list. A case is

    {"name": ..., "op": ..., "args": [...], "out": [REF, ...], "dy": [...], "dx": [...]}

where REF is [dtype, offset, shape] into those arrays. An argument is a number, a string, a list of
integers, null, {"dtype": NAME}, {"t": REF, "l": LAYOUT, "d": whether its gradient is given}, or
{"list": [such tensors]}. Numbers that JSON lacks are the strings "nan", "inf" and "-inf". dy has a
REF or null for each result, dx one for each tensor with "d", in the order of the arguments.
LAYOUT says how the input lies in memory: "c" row-major, "t" with its dims reversed, "s" every
second element of a longer last dim, "o" behind an offset, "e" expanded along the first dim.

The numbers of a case depend on its name alone, so that new cases leave the old ones as they are.
"""

import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))

def main():
    from cases import Family
    import arguments, decompositions, dtypes, elementwise, index, layers, linalg, losses, network
    import operators, reduce, sampling, shape

    fills = {}
    for module in (arguments, decompositions, dtypes, elementwise, index, layers, linalg, losses,
                   network, operators, reduce, sampling, shape):
        fills.update(module.FAMILIES)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "tests", "golden")
    torch.set_num_threads(1)
    total = size = 0
    for name, fill in fills.items():
        family = Family(name)
        fill(family)
        bytes_written = family.write(folder)
        total += len(family.cases)
        size += bytes_written
        print(f"{name}: {len(family.cases)} cases, {bytes_written} bytes")
        for case, why in family.skipped:
            print(f"  PyTorch has none for {case}: {why}", file=sys.stderr)
    print(f"{total} cases, {size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
