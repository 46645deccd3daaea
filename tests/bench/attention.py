"""Attention against PyTorch: the sum of its matrix products and softmax, and its fused attention.

Runs `tessera bench` and PyTorch in turn, so that both meet the same load, and prints one JSON
record a line: name, value, unit, reference, ratio (value over reference: below 1 is faster than
PyTorch).
usage: attention.py TESSERA [--torch PYTHON] [--rounds N] [--threads N]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

# The shapes of launcher/bench/attention.cpp: name, batch, heads, tokens, width, causal.
SHAPES = [
    ("72x256x64", 12, 6, 256, 64, False),
    ("72x256x64_causal", 12, 6, 256, 64, True),
    ("4x2048x64_causal", 1, 4, 2048, 64, True),
]


def measure_torch(threads):
    """Prints {name: {"composed": ms, "fused": ms}}; runs in the Python that has torch."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(1)

    def median_ms(fn, calls=11):
        fn()
        times = []
        for _ in range(calls):
            start = time.perf_counter()
            fn()
            times.append(time.perf_counter() - start)
        return 1e3 * statistics.median(times)

    out = {"torch": torch.__version__}
    for name, batch, heads, tokens, width, causal in SHAPES:
        q, k, v, dout = (torch.rand(batch * heads, tokens, width) - 0.5 for _ in range(4))
        scores = torch.bmm(q, k.transpose(1, 2))
        p = torch.softmax(scores, -1)
        dp = torch.bmm(dout, v.transpose(1, 2))
        ds = torch._softmax_backward_data(dp, p, -1, torch.float32)
        # Causal or not, these products are of whole matrices: PyTorch has no others.
        forward = [
            lambda: torch.bmm(q, k.transpose(1, 2)),
            lambda: torch.softmax(scores, -1),
            lambda: torch.bmm(p, v),
        ]
        backward = [
            lambda: torch.bmm(p.transpose(1, 2), dout),
            lambda: torch.bmm(dout, v.transpose(1, 2)),
            lambda: torch._softmax_backward_data(dp, p, -1, torch.float32),
            lambda: torch.bmm(ds, k),
            lambda: torch.bmm(ds.transpose(1, 2), q),
        ]
        heads_of = lambda x: x.view(batch, heads, tokens, width)  # noqa: E731
        leaves = [heads_of(x).clone().requires_grad_() for x in (q, k, v)]
        y = F.scaled_dot_product_attention(*leaves, is_causal=causal)
        out[f"ops.attention_forward.{name}"] = {
            "composed": sum(median_ms(fn) for fn in forward),
            "fused": median_ms(lambda: F.scaled_dot_product_attention(*leaves, is_causal=causal)),
        }
        out[f"ops.attention_backward.{name}"] = {
            "composed": sum(median_ms(fn) for fn in backward),
            "fused": median_ms(
                lambda: torch.autograd.grad(y, leaves, heads_of(dout), retain_graph=True)
            ),
        }
    print(json.dumps(out))


def run(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TESSERA_NUM_THREADS=str(threads))
    return subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout


def run_tessera(tessera, threads):
    """{name: record} of `tessera bench`."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "records.json")
        names = ["ops.attention_forward", "ops.attention_backward"]
        run([tessera, "bench", *names, "--json", file], threads)
        with open(file, encoding="utf-8") as text:
            return {record["name"]: record for record in json.load(text)["records"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tessera", nargs="?")
    parser.add_argument("--torch", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure-torch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure_torch:
        measure_torch(options.threads)
        return

    own, peer = [], []
    for _ in range(options.rounds):
        own.append(run_tessera(options.tessera, options.threads))
        command = [options.torch, __file__, "--measure-torch", f"--threads={options.threads}"]
        peer.append(json.loads(run(command, options.threads)))
    for name in own[0]:
        value = statistics.median(records[name]["value"] for records in own)
        for kind, label in (("composed", "matrix products and softmax"), ("fused", "SDPA")):
            reference = statistics.median(p[name][kind] for p in peer)
            print(
                json.dumps(
                    {
                        "name": name,
                        "value": value,
                        "unit": "ms",
                        "reference": reference,
                        "reference_name": f"PyTorch {peer[0]['torch']}, {label}",
                        "ratio": value / reference,
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
