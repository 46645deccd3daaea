#!/usr/bin/env python3
"""What callers that mean no good cost a job whose rendezvous they can reach. The rank has a core of
its own, the agent with the server and the callers share another. Times of steps under attack and in
peace take turns. One JSON record.

usage: hostile.py TESSERA"""

import json
import os
import random
import re
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

WINDOWS = 6
WINDOW_S = 4.0


def scan(port, stop):
    while not stop.is_set():
        socket.create_connection(("127.0.0.1", port)).close()


def garbage(port, stop):
    while not stop.is_set():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(random.randbytes(10_000))


def half_open(port, stop):
    held = []
    while not stop.is_set():
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        held.append(connection)
        if len(held) > 100:
            held.pop(0).close()


def strangers(port, stop):
    """Of no authority that the server knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    while not stop.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port)) as plain:
                with context.wrap_socket(plain) as connection:
                    connection.recv(1)
        except OSError:
            pass


def attack(port):
    """Until killed."""
    os.sched_setaffinity(0, {1})
    never = threading.Event()

    def forever(one):
        while True:
            try:
                one(port, never)
            except OSError:
                time.sleep(0.001)

    for one in (scan, garbage, half_open, strangers):
        threading.Thread(target=forever, args=(one,)).start()


def step_times(metrics, start):
    with open(metrics, encoding="utf-8") as file:
        file.seek(start)
        records = [json.loads(line) for line in file.read().splitlines() if line.endswith("}")]
    return [record["step_ms"] for record in records if "step_ms" in record]


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, "the run has ended"
        time.sleep(0.01)


def measure(tessera, folder):
    tls = os.path.join(folder, "tls")
    subprocess.run([tessera, "rendezvous", "init", tls], check=True, stdout=subprocess.DEVNULL)
    run = os.path.join(folder, "run")
    command = ["taskset", "--cpu-list", "1", tessera, "launch", "-n", "1", "--no-bind", "--nnodes", "1",
               "--rdzv", "127.0.0.1:0", "--serve", "--tls", tls, "--",
               "taskset", "--cpu-list", "0", tessera, "train", "configs/quickstart.yaml",
               f"run.dir={run}", "run.steps=1000000", "run.eval_every=0", "checkpoint.every=0",
               "data.leaves=1", "compute.threads=1"]
    output = os.path.join(folder, "output")
    with open(output, "wb") as file:
        job = subprocess.Popen(command, stdout=file, stderr=file)
    metrics = os.path.join(run, "metrics.jsonl")
    times = {False: [], True: []}
    try:
        wait_for(lambda: os.path.exists(metrics) and os.path.getsize(metrics) > 4000, job)
        with open(output, encoding="utf-8") as file:
            port = int(re.search(r"rendezvous at \S+:(\d+)", file.read())[1])
        for window in range(2 * WINDOWS):
            attacked = window % 2 == 1
            attacker = attacked and subprocess.Popen([sys.executable, __file__, "--attack", str(port)])
            time.sleep(0.5)
            start = os.path.getsize(metrics)
            time.sleep(WINDOW_S)
            times[attacked] += step_times(metrics, start)
            assert job.poll() is None, "the run has ended"
            if attacker:
                attacker.kill()
                attacker.wait()
        status = subprocess.run([tessera, "launch", "--status", f"127.0.0.1:{port}", "--tls", tls],
                                capture_output=True, text=True, check=True).stdout
    finally:
        job.send_signal(signal.SIGKILL)
        job.wait()
    return times, int(re.search(r"(\d+) calls and connections were refused", status)[1])


def main():
    if sys.argv[1] == "--attack":
        attack(int(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        times, refused = measure(sys.argv[1], folder)
    peace, war = statistics.median(times[False]), statistics.median(times[True])
    print(json.dumps({"name": "hostile.step", "value": war, "unit": "ms", "refused": refused,
                      "reference": {"what": "a step in peace", "value": peace},
                      "ratio": war / peace}), flush=True)


main()
