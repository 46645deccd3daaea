#!/usr/bin/env python3
"""How long starting takes, from the launcher's exec to the last rank's end of MPI_Init, and how long
a run takes to go on after a rank was killed. Ours and mpirun take turns. One JSON record a line.

usage: start.py TESSERA MPI_START"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

RANKS = 4
RUNS = 15
PINNED = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,vader", "OMPI_MCA_shmem": "mmap",
          "OMPI_MCA_mpi_yield_when_idle": "1"}


def seconds_to_init(command, variables):
    environment = {**os.environ, **variables}
    start = time.time()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    ends = [float(word) for word in re.findall(r"at (\d+\.\d+)", done.stdout)]
    assert len(ends) == RANKS, done
    return max(ends) - start


def record(name, value, what, reference):
    print(json.dumps({"name": name, "value": value * 1e3, "unit": "ms",
                      "reference": {"what": what, "value": reference and reference * 1e3},
                      "ratio": reference and value / reference}), flush=True)


def start(tessera, program):
    ours = [tessera, "launch", "-n", str(RANKS), "--", program]
    mpirun = ["mpirun", "-np", str(RANKS), "--bind-to", "none", program]
    times = {"ours": [], "mpirun": [], "defaults": []}
    for _ in range(RUNS):
        times["ours"].append(seconds_to_init(ours, {}))
        times["mpirun"].append(seconds_to_init(mpirun, PINNED))
        times["defaults"].append(seconds_to_init(mpirun, {}))
    median = {name: statistics.median(values) for name, values in times.items()}
    record("start.mpi_init_4", median["ours"], "mpirun with the same settings", median["mpirun"])
    record("start.mpi_init_4_defaults", median["ours"], "mpirun as Debian sets it up",
           median["defaults"])


def steps_in(path):
    try:
        with open(path, encoding="utf-8") as file:
            return sum(1 for line in file if '"loss"' in line)
    except FileNotFoundError:
        return 0


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, "the run has ended"
        time.sleep(0.002)


def recovery(tessera):
    """From kill -9 of a rank of a model of 10.8 million parameters to the next step's record."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        command = [tessera, "launch", "-n", "2", "--max-restarts", "100", "--", tessera, "train",
                   "configs/gpt_char.yaml", f"run.dir={run}", "run.steps=1000", "data.leaves=2",
                   "data.micro_batch=1", "model.context=64", "run.eval_every=0"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        metrics = os.path.join(run, "metrics.jsonl")
        times = []
        try:
            for _ in range(5):
                goal = steps_in(metrics) + 5
                wait_for(lambda: steps_in(metrics) >= goal, process)
                victims = rank_processes(process.pid)
                os.kill(victims[-1], signal.SIGKILL)
                start_time = time.time()
                time.sleep(0.05)
                before = steps_in(metrics)
                wait_for(lambda: steps_in(metrics) > before, process)
                times.append(time.time() - start_time)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        record("start.next_step_after_kill", statistics.median(times), None, None)


def rank_processes(agent):
    """The grandchildren of the agent: what its tessera-pmix has forked."""
    def children(pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
                return [int(word) for word in file.read().split()]
        except OSError:
            return []
    return [rank for keeper in children(agent) for rank in children(keeper)]


def main():
    tessera, program = sys.argv[1:]
    start(tessera, program)
    recovery(tessera)


if __name__ == "__main__":
    main()
