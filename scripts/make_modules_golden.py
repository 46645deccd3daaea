#!/usr/bin/env python3
"""Writes files of tests/golden/nn/: what further modules of torch.nn give, values and gradients.

usage: scripts/make_modules_golden.py [FOLDER]        needs torch and numpy; runs on the CPU

Files are as make_sequence_layers_golden.py says.
"""

import pathlib
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "golden"), str(ROOT / "scripts")]
import made_values  # noqa: E402
import safetensors_file  # noqa: E402
import make_sequence_layers_golden as sequences  # noqa: E402
from make_sequence_layers_golden import run  # noqa: E402


def weight_norms():
    """name: (module, shapes of inputs, call(module, inputs) -> results)"""
    tokens = made_values.integers((2, 5), 50, 6)
    plain = lambda m, x: [m(x[0])]  # noqa: E731
    lookup = lambda m, x: [m(tokens)]  # noqa: E731

    def from_made_vectors(call):
        def with_vectors(module, x):
            part = module.parametrizations.weight[0]
            part._u.copy_(F.normalize(made_values.array(part._u.shape, 900), dim=0))
            part._v.copy_(F.normalize(made_values.array(part._v.shape, 901), dim=0))
            return [*call(module, x), part._u.clone(), part._v.clone()]
        return with_vectors

    spectral = lambda module, shapes, call=plain, **options: (  # noqa: E731
        spectral_norm(module, **options), shapes, from_made_vectors(call))
    layers = {
        "linear": (nn.Linear(3, 4), [(2, 3)], plain),
        "conv1d": (nn.Conv1d(4, 6, 3, groups=2), [(2, 4, 7)], plain),
        "conv2d": (nn.Conv2d(2, 3, (3, 2)), [(1, 2, 4, 5)], plain),
        "conv3d": (nn.Conv3d(2, 3, 2), [(1, 2, 3, 3, 2)], plain),
        "conv_transpose1d": (nn.ConvTranspose1d(4, 6, 3, 2, groups=2), [(2, 4, 4)], plain),
        "conv_transpose2d": (nn.ConvTranspose2d(2, 3, 2, 2), [(1, 2, 3, 2)], plain),
        "conv_transpose3d": (nn.ConvTranspose3d(2, 3, 2), [(1, 2, 2, 3, 2)], plain),
        "embedding": (nn.Embedding(6, 3), [], lookup),
    }
    out = {f"weight_norm_{name}": (weight_norm(module), shapes, call)
           for name, (module, shapes, call) in layers.items()}
    out |= {
        "weight_norm_columns": (weight_norm(nn.Linear(3, 4), dim=1), [(2, 3)], plain),
        "weight_norm_whole": (weight_norm(nn.Linear(3, 4), dim=None), [(2, 3)], plain),
        "weight_norm_bias": (weight_norm(nn.Linear(3, 4), "bias"), [(2, 3)], plain),
        "weight_norm_gru": (weight_norm(nn.GRU(3, 4), "weight_hh_l0"), [(5, 2, 3)],
                            lambda m, x: list(m(x[0]))),
        "spectral_norm_linear": spectral(nn.Linear(3, 4), [(2, 3)]),
        "spectral_norm_columns": spectral(nn.Linear(3, 4), [(2, 3)], dim=1, eps=1e-6),
        "spectral_norm_eval": spectral(nn.Linear(3, 4).eval(), [(2, 3)]),
        "spectral_norm_conv1d": spectral(nn.Conv1d(4, 6, 3), [(2, 4, 7)]),
        "spectral_norm_conv2d": spectral(nn.Conv2d(2, 3, (3, 2)), [(1, 2, 4, 5)], n_power_iterations=3),
        "spectral_norm_conv3d": spectral(nn.Conv3d(2, 3, 2), [(1, 2, 3, 3, 2)]),
        "spectral_norm_conv_transpose1d": spectral(nn.ConvTranspose1d(4, 6, 3, 2), [(2, 4, 4)]),
        "spectral_norm_conv_transpose2d": spectral(nn.ConvTranspose2d(2, 3, 2, 2), [(1, 2, 3, 2)]),
        "spectral_norm_conv_transpose3d": spectral(nn.ConvTranspose3d(2, 3, 2), [(1, 2, 2, 3, 2)]),
        "spectral_norm_embedding": spectral(nn.Embedding(6, 3), [], lookup),
        "spectral_norm_bias": (spectral_norm(nn.Linear(3, 4), "bias"), [(2, 3)], plain),
    }
    return out


def convolutions():
    plain = lambda m, x: [m(x[0])]  # noqa: E731
    one, two, three = (2, 4, 9), (2, 4, 6, 7), (1, 2, 4, 5, 4)
    conv1, conv2, conv3 = nn.Conv1d, nn.Conv2d, nn.Conv3d
    modules = {
        "conv1d_reflect": (conv1(4, 6, 3, 2, 2, 2, 2, padding_mode="reflect"), one),
        "conv1d_replicate": (conv1(4, 6, 3, padding=2, padding_mode="replicate"), one),
        "conv1d_circular": (conv1(4, 6, 3, padding=1, padding_mode="circular", bias=False), one),
        "conv1d_same": (conv1(4, 6, 4, padding="same", dilation=3), one),
        "conv1d_same_circular": (conv1(4, 6, 4, padding="same", padding_mode="circular"), one),
        "conv1d_valid": (conv1(4, 6, 3, 2, "valid"), one),
        "conv2d_reflect": (conv2(4, 6, 3, 2, (1, 2), padding_mode="reflect"), two),
        "conv2d_replicate": (conv2(4, 6, (3, 2), padding=(2, 0), padding_mode="replicate"), two),
        "conv2d_circular": (conv2(4, 6, 3, 1, 2, 2, padding_mode="circular"), two),
        "conv2d_same": (conv2(4, 6, (3, 2), padding="same", dilation=(1, 3), groups=2), two),
        "conv2d_same_reflect": (conv2(4, 6, (3, 4), padding="same", padding_mode="reflect"), two),
        "conv2d_no_batch": (conv2(4, 6, 3, padding=1, padding_mode="reflect"), two[1:]),
        "conv3d_reflect": (conv3(2, 3, 2, padding=1, padding_mode="reflect"), three),
        "conv3d_replicate": (conv3(2, 3, (2, 3, 2), 1, (1, 0, 2), padding_mode="replicate"), three),
        "conv3d_circular": (conv3(2, 3, 3, padding=1, padding_mode="circular"), three),
        "conv3d_same": (conv3(2, 3, (2, 3, 4), padding="same"), three),
        "conv3d_same_replicate": (conv3(2, 3, 2, padding="same", padding_mode="replicate"), three),
    }
    return {name: (module, [shape], plain) for name, (module, shape) in modules.items()}


def packed():
    rnn = nn.utils.rnn

    def through(lengths, batch_first=False, **pad):
        def call(module, x):
            start = tuple(x[1:]) if len(x) == 3 else x[1] if len(x) == 2 else None
            given = rnn.pack_padded_sequence(x[0], lengths, batch_first, enforce_sorted=False)
            output, state = module(given, start)
            padded, got = rnn.pad_packed_sequence(output, batch_first, **pad)
            assert got.tolist() == list(lengths)
            return [padded, *(state if isinstance(state, tuple) else [state]), given.data]
        return call

    flat = lambda m, x: [(out := m(x[0], tuple(x[1:]) or None))[0], *out[1]]  # noqa: E731
    first = {"batch_first": True}
    return {
        "rnn_packed": (nn.RNN(3, 4, 2, bidirectional=True), [(5, 3, 3)], through([5, 3, 1])),
        "lstm_packed": (nn.LSTM(3, 4, 2, bidirectional=True, **first),
                        [(3, 5, 3), (4, 3, 4), (4, 3, 4)],
                        through([2, 5, 3], padding_value=-1.5, total_length=6, **first)),
        "gru_packed": (nn.GRU(3, 4, bias=False), [(5, 4, 3), (1, 4, 4)], through([1, 4, 1, 5])),
        "gru_packed_alike": (nn.GRU(3, 4, bidirectional=True), [(4, 2, 3)], through([4, 4])),
        "lstm_proj": (nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
                      [(5, 2, 3), (4, 2, 2), (4, 2, 4)], flat),
        "lstm_proj_no_bias": (nn.LSTM(3, 4, bias=False, proj_size=3, **first), [(2, 5, 3)], flat),
        "lstm_proj_packed": (nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2), [(5, 3, 3)],
                             through([3, 1, 4])),
    }


def attention():
    mha, later, padding = nn.MultiheadAttention, sequences.later, sequences.padding
    weighted = dict(average_attn_weights=False)

    def transformer(module, x):
        return [module(x[0], x[1], tgt_mask=later(3), src_key_padding_mask=padding(),
                       memory_key_padding_mask=padding())]

    return {
        "bias_kv": (mha(8, 2, add_bias_kv=True, batch_first=True), [(2, 5, 8)],
                    lambda m, x: list(m(x[0], x[0], x[0], key_padding_mask=padding(),
                                        attn_mask=later(5), **weighted))),
        "bias_kv_plain": (mha(8, 2, bias=False, add_bias_kv=True), [(5, 2, 8)],
                          lambda m, x: list(m(x[0], x[0], x[0], **weighted))),
        "zero_attn": (mha(8, 2, add_zero_attn=True, batch_first=True), [(2, 3, 8), (2, 5, 8)],
                      lambda m, x: list(m(x[0], x[1], x[1], key_padding_mask=padding(), **weighted))),
        "both_added": (mha(8, 2, kdim=6, vdim=4, add_bias_kv=True, add_zero_attn=True),
                       [(3, 2, 8), (5, 2, 6), (5, 2, 4)],
                       lambda m, x: list(m(*x, attn_mask=made_values.array((4, 3, 5), 77, 2.0),
                                           **weighted))),
        "both_added_no_batch": (mha(8, 2, add_bias_kv=True, add_zero_attn=True), [(5, 8)],
                                lambda m, x: list(m(x[0], x[0], x[0], attn_mask=later(5),
                                                    **weighted))),
        "transformer": (nn.Transformer(8, 2, 2, 1, 12, 0.0), [(5, 2, 8), (3, 2, 8)], transformer),
    }


def adaptive_softmax():
    def call(targets):
        def everything(module, x):
            output, loss = module(x[0], targets)
            rows = x[0] if x[0].dim() == 2 else x[0].unsqueeze(0)
            return [output, loss, module.log_prob(rows), module.predict(rows).float()]
        return everything

    kind = nn.AdaptiveLogSoftmaxWithLoss
    many = made_values.integers((12,), 60, 20)
    return {
        "adaptive": (kind(8, 20, [5, 12], div_value=2.0, head_bias=True), [(12, 8)], call(many)),
        "adaptive_sharp": (kind(20, 20, [2, 9]), [(12, 20)], call(many)),
        "adaptive_one_cluster": (kind(8, 20, [4]), [(12, 8)], call(many)),
        "adaptive_no_batch": (kind(8, 20, [4]), [(8,)], call(torch.tensor(7))),
    }


def fractional_pool():
    samples = lambda *shape: made_values.array(shape, 70, 1.0, 0.5)  # noqa: E731
    plain = lambda m, x: [m(x[0])]  # noqa: E731
    images, volumes = nn.FractionalMaxPool2d, nn.FractionalMaxPool3d
    return {
        "images": (images((2, 3), (4, 5), _random_samples=samples(2, 3, 2)), [(2, 3, 9, 11)], plain),
        "images_of_one": (images(2, (1, 3), _random_samples=samples(1, 2, 2)), [(1, 2, 5, 6)], plain),
        "images_no_batch": (images(3, 5, _random_samples=samples(1, 3, 2)), [(3, 8, 8)], plain),
        "volumes": (volumes((2, 3, 2), (3, 4, 5), _random_samples=samples(2, 2, 3)),
                    [(2, 2, 6, 7, 8)], plain),
    }


FILES = {
    "weight_norms": weight_norms,
    "convolutions": convolutions,
    "packed": packed,
    "attention": attention,
    "adaptive_softmax": adaptive_softmax,
    "fractional_pool": fractional_pool,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/golden/nn"
    torch.set_num_threads(1)
    for name, cases in FILES.items():
        tensors = {}
        for case, parts in cases().items():
            tensors |= {f"{case}.{key}": value for key, value in run(*parts).items()}
        safetensors_file.write(folder / f"{name}.safetensors", tensors)


if __name__ == "__main__":
    main()
