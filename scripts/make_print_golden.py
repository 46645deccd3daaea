#!/usr/bin/env python3
"""Writes tests/golden/print.npz: arrays, and what numpy.array2string makes of them.

Needs NumPy 2.4 (the rule for exponents has changed before). Run it only to add cases:

    python3 scripts/make_print_golden.py

For a case NAME the archive holds the array NAME and the bytes NAME.text: a line with precision,
threshold, edge items, line width and suppress, then the text.
"""

import pathlib

import numpy as np

DEFAULTS = dict(precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False)


def cases():
    random = np.random.default_rng(7)
    normal = random.standard_normal
    yield "f64", normal((3, 4)), {}
    yield "f32", normal((3, 4)).astype(np.float32), {}
    yield "f16", normal((3, 4)).astype(np.float16), {}
    yield "four_decimals", normal((5, 7)), dict(precision=4)
    yield "no_decimals", normal((5, 7)) * 10, dict(precision=0)
    yield "seventeen_decimals", normal((2, 2)), dict(precision=17)
    yield "long_rows", normal((2, 40)).astype(np.float32), {}
    yield "narrow_lines", normal((2, 3, 5)).astype(np.float32), dict(linewidth=20)
    yield "narrower_than_a_word", normal((2, 3)), dict(linewidth=4)
    yield "four_dims", np.arange(48).reshape(2, 2, 3, 4), {}
    yield "summary", normal((40, 50)).astype(np.float32), {}
    yield "summary_one_dim", np.arange(5000), {}
    yield "summary_four_dims", normal((9, 9, 9, 9)).astype(np.float32), {}
    yield "summary_short_dims", normal((600, 2)), dict(precision=3)
    yield "summary_of_two", normal((8, 9)), dict(threshold=10, edgeitems=2)
    yield "integers", random.integers(-1000, 1000, (4, 30)), {}
    yield "extreme_integers", np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]), {}
    yield "i32", random.integers(-9, 9, 12, dtype=np.int32), {}
    yield "u8", random.integers(0, 255, (3, 3), dtype=np.uint8), {}
    yield "bools", random.integers(0, 2, (3, 3)).astype(bool), {}
    yield "true_only", np.array([True]), {}
    for dtype in (np.float64, np.float32, np.float16):
        name = np.dtype(dtype).name
        for i, values in enumerate((
                [1, 2, 3], [0], [-0.0], [0.1], [1, 0.5], [0.125, 2], [1 / 3, 2], [1, 1000],
                [1, 1001], [999], [1000], [0.0001], [0.00001, -1], [0.0001, 0.1], [1e-7, 1.5],
                [0, 6e-8, 1.5], [np.nan], [np.inf], [-np.inf, 1], [np.nan, np.inf, -np.inf, -0.0, 1.5],
                [np.nan, 1e-5, 123], [-np.inf, 0.25], [65504, 1e-3], [0.5, 1.5, 2.5], [12.5, -0.5],
                [0.99999, 2], [9.9999, 10], [1234.5678, 1], [3.0517578125e-05])):
            for precision in (0, 2, 4, 12):
                yield f"{name}_{i}_{precision}", np.array(values, dtype), dict(precision=precision)
            yield f"{name}_{i}", np.array(values, dtype), {}
            yield f"{name}_{i}_suppress", np.array(values, dtype), dict(suppress=True)
    for dtype in (np.float64, np.float32):
        name = np.dtype(dtype).name
        for i, values in enumerate((
                [999999], [1e6], [1234567, 1], [99999999], [1e8], [16777216, 2], [1e30, -1e-30],
                [1e20, 123456], [1e-38], [3.4028235e38], [1e10, np.nan, -np.inf])):
            yield f"{name}_wide_{i}", np.array(values, dtype), {}
    for i, values in enumerate(([1e-300, 1], [1e300, -1e-300, np.inf], [5e-324], [1e100, 1e99])):
        yield f"float64_far_{i}", np.array(values), {}
    yield "zero_dims", np.array(0.1), {}
    yield "zero_dims_integer", np.array(3), {}
    yield "empty", np.zeros((2, 0, 3)), {}
    bits = random.integers(0, 2**32, 300, dtype=np.uint32).view(np.float32)
    for i in range(0, 300, 3):
        yield f"any_f32_{i}", bits[i:i + 3], {}
    bits = random.integers(0, 2**16, 300, dtype=np.uint16).view(np.float16)
    for i in range(0, 300, 3):
        yield f"any_f16_{i}", bits[i:i + 3], dict(precision=int(random.integers(0, 9)))
    for i in range(100):
        values = normal(4) * 10.0 ** random.integers(-6, 7, 4)
        yield f"any_f64_{i}", values, dict(precision=int(random.integers(0, 18)))


def main():
    arrays = {}
    for name, array, changes in cases():
        options = DEFAULTS | changes
        with np.printoptions(**options):
            text = np.array2string(array, separator=", ")
        arrays[name] = array
        words = " ".join(str(int(options[key])) for key in DEFAULTS)
        arrays[name + ".text"] = np.frombuffer(f"{words}\n{text}".encode(), np.uint8)
    path = pathlib.Path(__file__).resolve().parents[1] / "tests" / "golden" / "print.npz"
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main()
