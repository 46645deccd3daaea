#!/usr/bin/env python3
"""Writes tests/golden/nn/sequences.safetensors: attention, transformer and recurrent layers of torch.nn.

usage: scripts/make_sequence_layers_golden.py [FILE]        needs torch and numpy; runs on the CPU

Weights, inputs and the gradients of results are those of scripts/golden/made_values.py. A case NAME
has its results as NAME.y0, NAME.y1, ..., the gradients of its inputs as NAME.dx0, ..., and NAME.dw:
for each parameter, by its name, the sum of its gradient times made values.
"""

import pathlib
import sys

import torch
import torch.nn as nn

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "golden"))
import made_values  # noqa: E402
import safetensors_file  # noqa: E402


def later(size):
    return torch.triu(torch.ones(size, size, dtype=torch.bool), 1)


def padding():
    return torch.tensor([[False] * 5, [False] * 3 + [True] * 2])


def cases():
    """name: (module, shapes of inputs, call(module, inputs) -> results)"""
    mha, rnn = nn.MultiheadAttention, {"batch_first": True}
    small = dict(d_model=8, nhead=2, dim_feedforward=12, dropout=0.0)
    first = dict(batch_first=True, norm_first=True, activation="gelu", **small)
    encoder = lambda options, norm: nn.TransformerEncoder(  # noqa: E731
        nn.TransformerEncoderLayer(**options), 2, norm, enable_nested_tensor=False)
    decoder = lambda options, norm: nn.TransformerDecoder(  # noqa: E731
        nn.TransformerDecoderLayer(**options), 2, norm)
    flat = lambda out: [out[0], *(out[1] if isinstance(out[1], tuple) else [out[1]])]  # noqa: E731
    return {
        "attention_plain": (
            mha(8, 2, batch_first=True), [(2, 5, 8)],
            lambda m, x: [m(x[0], x[0], x[0], need_weights=False)[0]]),
        "attention_masked": (
            mha(8, 2, batch_first=True), [(2, 5, 8)],
            lambda m, x: list(m(x[0], x[0], x[0], key_padding_mask=padding(), attn_mask=later(5),
                                average_attn_weights=False))),
        "attention_cross": (
            mha(8, 2, kdim=6, vdim=4), [(3, 2, 8), (5, 2, 6), (5, 2, 4)],
            lambda m, x: [m(*x, attn_mask=made_values.array((4, 3, 5), 77, 2.0),
                            need_weights=False)[0]]),
        "attention_memory": (
            mha(8, 2, bias=False, batch_first=True), [(2, 3, 8), (2, 5, 8)],
            lambda m, x: [m(x[0], x[1], x[1], key_padding_mask=padding(), need_weights=False)[0]]),
        "attention_no_batch": (
            mha(8, 2), [(5, 8)],
            lambda m, x: [m(x[0], x[0], x[0], attn_mask=later(5), need_weights=False)[0]]),
        "encoder_post": (
            encoder(small, None), [(5, 2, 8)],
            lambda m, x: [m(x[0], src_key_padding_mask=padding())]),
        "encoder_pre": (
            encoder(first, nn.LayerNorm(8)), [(2, 5, 8)], lambda m, x: [m(x[0], mask=later(5))]),
        "decoder_post": (
            decoder(small, None), [(5, 2, 8), (3, 2, 8)],
            lambda m, x: [m(x[0], x[1], tgt_mask=later(5))]),
        "decoder_pre": (
            decoder(first, nn.LayerNorm(8)), [(2, 3, 8), (2, 5, 8)],
            lambda m, x: [m(x[0], x[1], tgt_mask=later(3), memory_key_padding_mask=padding())]),
        "rnn": (nn.RNN(3, 4, 2, bidirectional=True), [(5, 2, 3)], lambda m, x: flat(m(x[0]))),
        "rnn_relu": (nn.RNN(3, 4, nonlinearity="relu", bias=False, **rnn), [(2, 5, 3), (1, 2, 4)],
                     lambda m, x: flat(m(x[0], x[1]))),
        "lstm": (nn.LSTM(3, 4, 2, bidirectional=True, **rnn), [(2, 5, 3), (4, 2, 4), (4, 2, 4)],
                 lambda m, x: flat(m(x[0], (x[1], x[2])))),
        "lstm_no_batch": (nn.LSTM(3, 4), [(5, 3)], lambda m, x: flat(m(x[0]))),
        "gru": (nn.GRU(3, 4, 2, **rnn), [(2, 5, 3), (2, 2, 4)], lambda m, x: flat(m(x[0], x[1]))),
        "gru_two_ways": (nn.GRU(3, 4, bidirectional=True), [(5, 2, 3)], lambda m, x: flat(m(x[0]))),
        "rnn_cell": (nn.RNNCell(3, 4), [(2, 3), (2, 4)], lambda m, x: [m(x[0], x[1])]),
        "lstm_cell": (nn.LSTMCell(3, 4), [(2, 3), (2, 4), (2, 4)],
                      lambda m, x: list(m(x[0], (x[1], x[2])))),
        "gru_cell": (nn.GRUCell(3, 4, bias=False), [(3,)], lambda m, x: [m(x[0])]),
    }


def run(module, shapes, call):
    made_values.fill(module)
    inputs = [made_values.array(s, 100 + i, 2.0).requires_grad_() for i, s in enumerate(shapes)]
    results = call(module, inputs)
    total = sum((y * made_values.array(y.shape, 200 + i)).sum() for i, y in enumerate(results))
    total.backward()
    out = {f"y{i}": y.detach() for i, y in enumerate(results)}
    out |= {f"dx{i}": x.grad for i, x in enumerate(inputs)}
    named = sorted(module.named_parameters())
    out["dw"] = torch.tensor(
        [(p.grad * made_values.array(p.shape, 300 + k)).sum() for k, (_, p) in enumerate(named)])
    return out


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/golden/nn/sequences.safetensors"
    torch.set_num_threads(1)
    tensors = {}
    for name, case in cases().items():
        tensors |= {f"{name}.{key}": value for key, value in run(*case).items()}
    safetensors_file.write(path, tensors)


if __name__ == "__main__":
    main()
