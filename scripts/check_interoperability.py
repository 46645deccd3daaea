#!/usr/bin/env python3
"""Checks that Python's libraries read what tessera writes, and the other way round.

usage: scripts/check_interoperability.py [TESSERA]        by default build/release/tessera

Needs torch, transformers, safetensors and numpy. Trains a tiny model for that, in a folder that it
removes. Prints a line for each check and exits with 1 if one failed.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import traceback

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel
from transformers.utils import logging

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "bench"))
from golden.cases import DTYPES  # noqa: E402
from torch_gpt import Gpt  # noqa: E402

LAYERS, HEADS, WIDTH, CONTEXT, STEPS = 2, 2, 16, 16, 3
# As in tests/integration/tessera_command.h, but for a second layer and head.
TINY = [
    f"model.layers={LAYERS}",
    f"model.heads={HEADS}",
    f"model.width={WIDTH}",
    f"model.context={CONTEXT}",
    "data.micro_batch=1",
    "data.leaves=2",
    f"run.steps={STEPS}",
    "run.eval_batches=1",
    "optim.ema=0.9",
]
SHAPES = {"scalar": (), "vector": (5,), "matrix": (3, 4), "empty": (0,), "hollow": (2, 0, 3)}


def raw(tensor):
    """The bytes of a tensor, so that -0 and NaN count too."""
    if tensor.numel() == 0:
        return b""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def expect_same(left, right):
    assert left.keys() == right.keys(), f"other names: {sorted(left.keys() ^ right.keys())}"
    for name, tensor in left.items():
        other = right[name]
        assert tensor.shape == other.shape, f"{name}: shape {tensor.shape} and {other.shape}"
        assert tensor.dtype == other.dtype, f"{name}: dtype {tensor.dtype} and {other.dtype}"
        assert raw(tensor) == raw(other), f"{name}: other values"


def read(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def read_npz(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name].copy()) for name in file.files}


def is_state(name):
    return "/" in name


def join_pieces(folder, whole):
    """The tensors in the ranks' files: pieces named NAME@begin:end, put together as in whole."""
    pieces = {}
    for path in sorted(folder.glob("rank-*.safetensors")):
        for piece, tensor in read(path).items():
            name, begin, end = re.fullmatch(r"(.+)@(\d+):(\d+)", piece).groups()
            assert tensor.shape == (int(end) - int(begin),), f"{piece}: shape {tensor.shape}"
            pieces.setdefault(name, []).append((int(begin), int(end), tensor))
    joined = {}
    for name, parts in pieces.items():
        parts.sort(key=lambda part: part[:2])
        ends = [0] + [end for _, end, _ in parts]
        assert [begin for begin, _, _ in parts] == ends[:-1], f"{name}: its pieces leave gaps"
        joined[name] = torch.cat([tensor for _, _, tensor in parts]).reshape(whole[name].shape)
    return joined


def random_tensors(seed=5):
    """Every dtype in every shape, of random bits."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, dtype in DTYPES.items():
        for kind, shape in SHAPES.items():
            size = int(np.prod(shape)) * dtype.itemsize
            data = torch.randint(256, (size,), dtype=torch.uint8, generator=generator)
            data = data % 2 if dtype == torch.bool else data
            tensors[f"{kind}.{name}"] = data.view(dtype).reshape(shape)
    tensors["späße und \"so\"\\"] = torch.tensor([-0.0, float("nan"), float("inf"), 1e-45])
    return tensors


class Checks:
    def __init__(self, binary, folder):
        self.binary, self.folder, self.failed = binary, folder, 0

    def tessera(self, *words):
        done = subprocess.run(
            [self.binary, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def convert(self, source, name, *flags):
        self.tessera("convert", source, self.folder / name, *flags)
        return self.folder / name

    def expect_no_difference(self, left, right):
        out = self.tessera("inspect", left, right)
        assert re.search(r"^no difference in [1-9]", out, re.M), out

    def run(self):
        # In the order in which they stand: later ones use what earlier ones made.
        for name, check in vars(Checks).items():
            if not name.startswith("check_"):
                continue
            title = name.split("_", 1)[1].replace("_", " ")
            try:
                check(self)
                print("ok     ", title)
            except Exception as error:  # each check stands for itself
                self.failed += 1
                print("FAILED ", title, f"({type(error).__name__}: {error})")
                traceback.print_exc(limit=-2)
        return self.failed

    def check_runs_of_one_rank_and_of_two_give_the_same_tensors(self):
        config = ROOT / "configs/quickstart.yaml"
        self.one, self.two = self.folder / "one", self.folder / "two"
        self.tessera("train", config, *TINY, f"run.dir={self.one}")
        sharded = ["parallel.strategy=zero3", f"run.dir={self.two}"]
        self.tessera("debug", "-n", 2, config, *TINY, *sharded)
        self.expect_no_difference(self.one, self.two)

    def check_safetensors_reads_the_ranks_files_and_the_consolidated_one(self):
        checkpoint = self.two / f"checkpoints/step-{STEPS:08}"
        assert len(list(checkpoint.glob("rank-*-of-2.safetensors"))) == 2
        path = self.convert(self.two, "state.safetensors", "--state")
        whole = read(path)
        assert {name.split("/")[0] for name in whole if is_state(name)} >= {"exp_avg", "exp_avg_sq"}
        expect_same(join_pieces(checkpoint, whole), whole)
        with safe_open(path, "pt") as file:
            assert file.metadata()["step"] == str(STEPS), file.metadata()

    def check_the_model_without_state(self):
        whole = read(self.folder / "state.safetensors")
        self.model = {name: tensor for name, tensor in whole.items() if not is_state(name)}
        expect_same(read(self.convert(self.two, "model.safetensors")), self.model)
        averages = {name: whole[f"ema/{name}"] for name in self.model}
        expect_same(read(self.convert(self.two, "ema.safetensors", "--ema")), averages)
        assert any(raw(averages[name]) != raw(self.model[name]) for name in averages)

    def check_numpy_reads_npz(self):
        expect_same(read_npz(self.convert(self.two, "model.npz")), self.model)
        whole = read(self.folder / "state.safetensors")
        expect_same(read_npz(self.convert(self.two, "state.npz", "--state")), whole)

    def check_transformers_reads_the_gpt2_folder(self):
        path = self.convert(self.two, "gpt2", "--gpt2")
        self.gpt2, report = GPT2LMHeadModel.from_pretrained(path, output_loading_info=True)
        # The names of the lists differ between versions; each of them says that something is wrong.
        assert not any(report.values()), report

    def check_the_loss_in_transformers_is_that_of_plain_pytorch(self):
        text = (ROOT / "data/kjv.txt").read_bytes()
        tokens = torch.tensor(list(text[1000 : 1000 + 8 * (CONTEXT + 1)])).view(8, CONTEXT + 1)
        plain = Gpt(layers=LAYERS, heads=HEADS, width=WIDTH, context=CONTEXT)
        plain.load_state_dict(self.model)
        with torch.no_grad():
            expected = plain(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()).item()
            logits = self.gpt2.eval()(tokens[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1)
        ).item()
        assert abs(loss - expected) < 1e-5 * expected, f"{loss} and {expected}"
        # That it means something: three steps have taught it a little.
        assert loss < np.log(256), loss

    def check_what_transformers_saves_again_is_the_same(self):
        for name, options in {"again": {}, "shards": {"max_shard_size": "12KB"}}.items():
            self.gpt2.save_pretrained(self.folder / name, **options)
            self.expect_no_difference(self.folder / "gpt2", self.folder / name)
            expect_same(read(self.convert(self.folder / name, f"{name}.safetensors")), self.model)
        assert len(list((self.folder / "shards").glob("*.safetensors"))) > 1

    def check_halves_of_transformers_are_widened(self):
        for name, dtype in {"f16": torch.float16, "bf16": torch.bfloat16}.items():
            GPT2LMHeadModel.from_pretrained(self.folder / "gpt2").to(dtype).save_pretrained(
                self.folder / name
            )
            rounded = {key: tensor.to(dtype).float() for key, tensor in self.model.items()}
            expect_same(read(self.convert(self.folder / name, f"{name}.safetensors")), rounded)

    def check_inspect_lists_what_safetensors_wrote(self):
        self.plain, self.random = self.folder / "python.safetensors", random_tensors()
        save_file(self.random, self.plain, {"format": "pt", "note": "größer\nals"})
        out = self.tessera("inspect", self.plain)
        for name, tensor in self.random.items():
            dtype = next(key for key, value in DTYPES.items() if value == tensor.dtype)
            shape = str(tuple(tensor.shape))
            size = tensor.numel() * tensor.dtype.itemsize
            row = rf"^{re.escape(name)} +{dtype} +{size}  {re.escape(shape)}$"
            assert re.search(row, out, re.M), f"no row {row} in\n{out}"
        assert f"{len(self.random)} tensors" in out and "größer" in out, out

    def check_convert_keeps_every_bit_of_what_safetensors_wrote(self):
        copy = self.convert(self.plain, "copy.safetensors")
        expect_same(read(copy), self.random)
        with safe_open(copy, "pt") as file:
            assert file.metadata()["note"] == "größer\nals", file.metadata()
        # NumPy has no bf16.
        known = {k: v for k, v in self.random.items() if v.dtype != torch.bfloat16}
        save_file(known, self.folder / "known.safetensors")
        npz = self.convert(self.folder / "known.safetensors", "known.npz")
        expect_same(read_npz(npz), known)
        expect_same(load_file(self.convert(npz, "back.safetensors")), known)

    def check_convert_says_which_tensors_it_leaves_out(self):
        path = self.folder / "slash.safetensors"
        save_file({"a": torch.ones(2), "a/b": torch.ones(3)}, path)
        out = self.tessera("convert", path, self.folder / "without.safetensors")
        assert "1 tensor, without 1 of state" in out, out
        kept = self.convert(path, "with.safetensors", "--state")
        assert set(read(kept)) == {"a", "a/b"}

    def check_a_changed_bit_is_noticed(self):
        changed = {name: tensor.clone() for name, tensor in self.model.items()}
        changed["blocks.1.c_fc.weight"].view(torch.int32)[7, 3] ^= 1
        save_file(changed, self.folder / "changed.safetensors")
        model = self.folder / "model.safetensors"
        out = self.tessera("inspect", model, self.folder / "changed.safetensors")
        assert "1 of 28 tensors differ" in out, out
        try:
            expect_same(changed, self.model)
        except AssertionError:
            return
        raise AssertionError("expect_same notices nothing")


def main():
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/tessera")
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="tessera-interoperability-") as folder:
        failed = Checks(binary.resolve(), pathlib.Path(folder)).run()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
