"""Steps of configs/gpt_char.yaml on two ranks of one thread each, one leaf a rank.

Prints one JSON record a line, as step.py does: weak scaling against twice one rank's tokens per
second, zero3 against ddp, exact sums against fast ones, in turns in one run.
usage: parallel.py TESSERA [--rounds N] [--steps N]
"""

import argparse
import statistics

from step import record, run_tessera

RUNS = {
    "one": (1, []),
    "ddp": (2, []),
    "fast": (2, ["parallel.reduction=fast"]),
    "zero3": (2, ["parallel.strategy=zero3"]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tessera")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()

    rates = {name: [] for name in RUNS}
    for _ in range(options.rounds):
        for name, (ranks, overrides) in RUNS.items():
            records = run_tessera(
                options.tessera,
                "gpt_char.yaml",
                f"run.steps={options.steps + 1}",
                "run.eval_batches=1",
                "compute.threads=1",
                f"data.leaves={ranks}",
                *overrides,
                ranks=ranks,
            )
            # The first step pays for fresh memory and for making kernels.
            steps = [r for r in records if r.get("step", 0) > 1 and "loss" in r]
            rates[name] += [r["tokens_per_second"] for r in steps]
    rate = {name: statistics.median(values) for name, values in rates.items()}
    record("step.weak_scaling_2", rate["ddp"], "tokens/s", 2 * rate["one"], "twice one rank's")
    record("step.zero3_2", rate["zero3"], "tokens/s", rate["ddp"], "ddp")
    record("step.exact_2", rate["ddp"], "tokens/s", rate["fast"], "reduction: fast")


if __name__ == "__main__":
    main()
