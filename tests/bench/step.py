"""Whole steps of training: configs/gpt_char.yaml against PyTorch.

Runs the two in turn, so that both meet the same load, and prints one JSON record a line: name,
value, unit, reference, ratio (value over reference).
usage: step.py TESSERA [--torch PYTHON] [--rounds N] [--steps N] [--threads N]
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = ROOT / "data" / "kjv.txt"


def run_tessera(tessera, config, *overrides):
    """The records of a run's metrics.jsonl."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        command = [tessera, "train", str(ROOT / "configs" / config), f"run.dir={run}", *overrides]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        with open(os.path.join(run, "metrics.jsonl")) as file:
            return [json.loads(line) for line in file]


def run_torch(python, threads, steps):
    command = [python, str(ROOT / "tests/bench/torch_gpt.py"), str(TEXT), str(threads), str(steps)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    output = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    return json.loads(output.stdout)


def record(name, value, unit, reference, reference_name, better="higher"):
    ratio = value / reference
    print(
        json.dumps(
            {
                "name": name,
                "value": value,
                "unit": unit,
                "reference": reference,
                "reference_name": reference_name,
                "ratio": ratio,
                "better": better,
            }
        ),
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tessera")
    parser.add_argument("--torch", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    own, peer = [], []
    for _ in range(options.rounds):
        own.append(
            run_tessera(
                options.tessera,
                "gpt_char.yaml",
                f"run.steps={options.steps + 2}",
                "run.eval_batches=1",
                f"compute.threads={options.threads}",
            )
        )
        peer.append(run_torch(options.torch, options.threads, options.steps))

    # The first two steps pay for fresh memory and for making kernels, on both sides.
    tokens = statistics.median(
        r["tokens_per_second"] for run in own for r in run if r.get("step", 0) > 2 and "loss" in r
    )
    memory = max(run[-1]["peak_rss_bytes"] for run in own)
    label = f"PyTorch {peer[0]['torch']}"
    peer_tokens = statistics.median(p["tokens_per_second"] for p in peer)
    peer_memory = min(p["peak_rss_bytes"] for p in peer)
    record("step.gpt_char.f32", tokens, "tokens/s", peer_tokens, label)
    record("step.gpt_char.f32.peak_rss", memory, "bytes", peer_memory, label, better="lower")


if __name__ == "__main__":
    main()
