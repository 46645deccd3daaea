"""What a case of tests/golden is: see ../make_golden.py."""

import json
import math
import os
import struct
import zlib

import numpy as np
import torch

DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "bf16": torch.bfloat16,
    "f16": torch.float16,
    "i64": torch.int64,
    "i32": torch.int32,
    "u8": torch.uint8,
    "bool": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
FORMAT = {"f32": "F32", "f64": "F64", "bf16": "BF16", "f16": "F16", "i64": "I64", "i32": "I32",
          "u8": "U8", "bool": "BOOL"}


class In:
    """A tensor as an argument: its values, how it lies in memory, and whether it has a gradient."""

    def __init__(self, value, layout="c", grad=True):
        self.value = value.detach()
        self.layout = layout
        self.grad = grad and value.is_floating_point()

    def make(self):
        value = self.value
        if self.layout == "t":
            order = list(range(value.dim()))[::-1]
            value = value.permute(order).contiguous().permute(order)
        elif self.layout == "s":
            wide = torch.ones(*value.shape[:-1], 2 * value.shape[-1], dtype=value.dtype)
            wide[..., ::2] = value
            value = wide[..., ::2]
        elif self.layout == "o":
            flat = torch.ones(value.numel() + 3, dtype=value.dtype)
            flat[3:] = value.flatten()
            value = flat[3:].view(value.shape)
        elif self.layout == "e":
            assert torch.equal(value, value[:1].expand(value.shape)), "equal along dim 0"
            value = value[:1].clone().expand(value.shape)
        else:
            value = value.clone(memory_format=torch.contiguous_format)
        return value.detach().requires_grad_(self.grad)


class DTypeArg:
    def __init__(self, name):
        self.name = name


class Skipped(Exception):
    """PyTorch has no such function for such arguments."""


class Family:
    """The cases of one file."""

    def __init__(self, name):
        self.name = name
        self.cases = []
        self.names = set()
        self.data = {}
        self.known = {}
        self.skipped = []
        self.random = None

    # Numbers for the case that is being made.

    def begin(self, name):
        base, number = name, 2
        while name in self.names:
            name, number = f"{base}_{number}", number + 1
        self.names.add(name)
        self.random = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        return name

    def ref(self, tensor):
        name = NAMES[tensor.dtype]
        flat = tensor.detach().clone(memory_format=torch.contiguous_format).flatten()
        raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        store = self.data.setdefault(name, bytearray())
        key = (name, raw)
        if key not in self.known:
            self.known[key] = len(store) // tensor.element_size()
            store += raw
        return [name, self.known[key], list(tensor.shape)]

    def encode(self, arg):
        if isinstance(arg, In):
            return {"t": self.ref(arg.value), "l": arg.layout, "d": int(arg.grad)}
        if isinstance(arg, DTypeArg):
            return {"dtype": arg.name}
        if isinstance(arg, (list, tuple)) and any(isinstance(a, In) for a in arg):
            return {"list": [self.encode(a) for a in arg]}
        if isinstance(arg, float) and not math.isfinite(arg):
            return str(arg)
        return arg

    def case(self, name, op, fn, args, grad=True, tensors_only=False):
        """Runs fn on the arguments and keeps what it gives. args may be a function that draws them."""
        name = self.begin(name)
        if callable(args):
            args = args(self)
        made = []

        def make(arg):
            if isinstance(arg, In):
                if not grad:
                    arg.grad = False
                made.append((arg, arg.make()))
                return made[-1][1]
            if isinstance(arg, DTypeArg):
                return DTYPES[arg.name]
            if isinstance(arg, (list, tuple)) and any(isinstance(a, In) for a in arg):
                return [make(a) for a in arg]
            return arg

        try:
            results = fn(*[make(arg) for arg in args])
            if not isinstance(results, (list, tuple)):
                results = [results]
            results = list(results)
            wanted = [tensor for arg, tensor in made if arg.grad]
            outputs = [y for y in results if y.requires_grad]
            dys = [None] * len(results)
            dxs = []
            if wanted and outputs:
                for i, y in enumerate(results):
                    if y.requires_grad:
                        dys[i] = self.normal(y.shape, y.dtype)
                given = [dy for dy in dys if dy is not None]
                dxs = torch.autograd.grad(outputs, wanted, given, allow_unused=True)
                dxs = [torch.zeros_like(x) if dx is None else dx for x, dx in zip(wanted, dxs)]
            else:
                for arg, _ in made:
                    arg.grad = False
        except (RuntimeError, NotImplementedError, TypeError, IndexError) as error:
            self.skipped.append((name, str(error).split("\n")[0]))
            self.names.discard(name)
            return
        self.cases.append({
            "name": name,
            "op": op,
            "args": [self.encode(arg) for arg in args],
            "out": [self.ref(y) for y in results],
            "dy": [None if dy is None else self.ref(dy) for dy in dys],
            "dx": [self.ref(dx) for dx in dxs],
        })

    # Inputs. All of them are rounded to the dtype first, so that every build sees the same numbers.

    def uniform(self, shape, dtype="f32", low=-2.0, high=2.0):
        dtype = DTYPES.get(dtype, dtype)
        values = self.random.uniform(low, high, size=shape)
        return torch.from_numpy(np.asarray(values)).to(dtype)

    def normal(self, shape, dtype="f32"):
        dtype = DTYPES.get(dtype, dtype)
        values = self.random.standard_normal(size=tuple(shape))
        return torch.from_numpy(np.asarray(values)).to(dtype)

    def distinct(self, shape, dtype="f32", low=-2.0, high=2.0):
        """No two are equal, so that order and extremes are certain."""
        dtype = DTYPES.get(dtype, dtype)
        count = int(np.prod(shape))
        steps = self.random.permutation(count)
        if dtype.is_floating_point:
            values = low + (high - low) * (steps + 0.5) / max(count, 1)
        else:
            values = steps
        return torch.from_numpy(np.asarray(values).reshape(shape)).to(dtype)

    def integers(self, shape, dtype="i64", low=-5, high=6):
        dtype = DTYPES.get(dtype, dtype)
        values = self.random.integers(low, high, size=shape)
        return torch.from_numpy(np.asarray(values)).to(dtype)

    def any(self, shape, dtype="f32"):
        """Numbers that suit the dtype."""
        if dtype == "bool":
            return self.integers(shape, "i64", 0, 2).bool()
        if dtype == "u8":
            return self.integers(shape, "u8", 0, 10)
        if dtype in ("i64", "i32"):
            return self.integers(shape, dtype)
        return self.uniform(shape, dtype)

    def write(self, folder):
        header, offset = {}, 0
        # Widest first, as the reference implementation lays tensors out.
        order = sorted(self.data, key=lambda n: (-DTYPES[n].itemsize, n))
        for name in order:
            raw = self.data[name]
            header[name] = {"dtype": FORMAT[name], "shape": [len(raw) // DTYPES[name].itemsize],
                            "data_offsets": [offset, offset + len(raw)]}
            offset += len(raw)
        meta = {"cases": json.dumps(self.cases, separators=(",", ":"), allow_nan=False),
                "torch": torch.__version__.split("+")[0]}
        text = json.dumps({"__metadata__": meta, **header}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        path = os.path.join(folder, self.name + ".safetensors")
        with open(path, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in order:
                out.write(self.data[name])
        return os.path.getsize(path)
