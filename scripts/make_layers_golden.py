#!/usr/bin/env python3
"""Writes tests/golden/nn/: what the modules and losses of torch.nn give, values and gradients.

usage: scripts/make_layers_golden.py [FOLDER]        needs torch and numpy; runs on the CPU

Files and cases are those of make_golden.py. A case of layers.safetensors has an input (or two) and
then the parameters, in the order of named_parameters(); its results are the output and the floating
buffers. One of losses.safetensors has the arguments of the loss, and its mean as the result.
"""

import os
import sys

import torch
from torch import nn
from torch.func import functional_call

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))

from cases import Family, In  # noqa: E402

INF = float("inf")
# Without a NaN, whose gradient depends in PyTorch on its place in a vector.
EXTREME = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 3.0, -3.0, 0.5, -0.5, 6.0, 20.5, -20.5, 90.0, -90.0,
                        1e4, -1e4, 1e30, -1e30, INF, -INF])


def layer(f, name, module, shapes, draw=None, training=True):
    """One case; shapes are those of the inputs, or draw(g) gives them."""
    module.train(training)
    names = [n for n, _ in module.named_parameters()]

    def run(*tensors):
        count = len(tensors) - len(names)
        parameters = dict(zip(names, tensors[count:]))
        buffers = {n: b.clone() for n, b in module.named_buffers()}
        y = functional_call(module, {**parameters, **buffers}, tensors[:count])
        return [y] + [b for b in buffers.values() if b.is_floating_point()]

    def arguments(g):
        inputs = draw(g) if draw else [In(g.uniform(shape), "t") for shape in shapes]
        return inputs + [In(g.uniform(tuple(p.shape), "f32", 0.2, 1.5)) for p in module.parameters()]

    f.case(name, name, run, arguments)


ACTIVATIONS = {
    "Relu": nn.ReLU(), "Relu6": nn.ReLU6(), "Selu": nn.SELU(), "Silu": nn.SiLU(), "Mish": nn.Mish(),
    "Hardswish": nn.Hardswish(), "Hardsigmoid": nn.Hardsigmoid(), "Softsign": nn.Softsign(),
    "LogSigmoid": nn.LogSigmoid(), "Sigmoid": nn.Sigmoid(), "Tanh": nn.Tanh(), "Tanhshrink": nn.Tanhshrink(),
    "Gelu": nn.GELU(), "Gelu.tanh": nn.GELU("tanh"), "LeakyRelu": nn.LeakyReLU(), "LeakyRelu.0.2": nn.LeakyReLU(0.2),
    "Elu": nn.ELU(), "Elu.0.7": nn.ELU(0.7), "Celu": nn.CELU(), "Celu.0.7": nn.CELU(0.7), "Softplus": nn.Softplus(),
    "Softplus.2.5": nn.Softplus(2, 5), "Hardtanh": nn.Hardtanh(), "Hardtanh.-2.3": nn.Hardtanh(-2, 3),
    "Hardshrink": nn.Hardshrink(), "Softshrink": nn.Softshrink(), "Threshold": nn.Threshold(0.1, -2),
    "Prelu": nn.PReLU(),
}


def activations(f):
    for name, module in ACTIVATIONS.items():
        # Far out GELU and its gradient are NaNs there.
        extreme = EXTREME[EXTREME.abs() < 1e9] if name.startswith("Gelu") else EXTREME
        layer(f, name, module, None, lambda g: [In(torch.cat([extreme, g.uniform((10,), "f32", -5, 5)]))])
    layer(f, "Prelu.3", nn.PReLU(3), [(2, 3, 4)])
    layer(f, "Glu", nn.GLU(), [(2, 3, 4)])
    layer(f, "Glu.1", nn.GLU(1), [(2, 6, 3)])
    layer(f, "Softmin", nn.Softmin(1), [(2, 3, 4)])
    layer(f, "Softmax", nn.Softmax(1), [(2, 3, 4)])
    layer(f, "LogSoftmax", nn.LogSoftmax(-1), [(2, 3, 4)])
    layer(f, "Softmax2d", nn.Softmax2d(), [(2, 3, 4, 2)])
    layer(f, "Softmax.extreme", nn.Softmax(0), None,
          lambda g: [In(torch.tensor([[1e30, 0.0, -INF], [-1e30, 0.0, 1.0], [0.0, 0.0, -INF]]))])


def pads(f):
    one, two, three = (2, 3, 6), (2, 3, 5, 6), (2, 3, 4, 5, 6)
    for name, kind in (("Zero", nn.ZeroPad1d), ("Reflection", nn.ReflectionPad1d), ("Replication", nn.ReplicationPad1d),
                       ("Circular", nn.CircularPad1d)):
        layer(f, f"{name}Pad1d", kind((2, 1)), [one])
    for name, kind in (("Zero", nn.ZeroPad2d), ("Reflection", nn.ReflectionPad2d), ("Replication", nn.ReplicationPad2d),
                       ("Circular", nn.CircularPad2d)):
        layer(f, f"{name}Pad2d", kind((2, 1, 0, 3)), [two])
        layer(f, f"{name}Pad2d.2", kind(2), [two[1:]])
    for name, kind in (("Zero", nn.ZeroPad3d), ("Reflection", nn.ReflectionPad3d), ("Replication", nn.ReplicationPad3d),
                       ("Circular", nn.CircularPad3d)):
        layer(f, f"{name}Pad3d", kind((2, 1, 0, 3, 1, 2)), [three])
    layer(f, "ConstantPad1d", nn.ConstantPad1d((1, 2), 1.5), [one])
    layer(f, "ConstantPad2d", nn.ConstantPad2d((1, -1, 2, 0), -0.5), [two])
    layer(f, "ConstantPad3d", nn.ConstantPad3d(1, 2.0), [three])


def images(f):
    layer(f, "Upsample.nearest", nn.Upsample(scale_factor=2), [(1, 2, 3, 4)])
    layer(f, "Upsample.linear", nn.Upsample(7, mode="linear"), [(1, 2, 4)])
    layer(f, "Upsample.bilinear", nn.Upsample((5, 3), mode="bilinear", align_corners=True), [(1, 2, 3, 4)])
    layer(f, "Upsample.bicubic", nn.Upsample(scale_factor=(1.5, 2.0), mode="bicubic"), [(1, 2, 4, 4)])
    layer(f, "Upsample.trilinear", nn.Upsample(4, mode="trilinear"), [(1, 2, 2, 3, 3)])
    layer(f, "UpsamplingNearest2d", nn.UpsamplingNearest2d(scale_factor=3), [(1, 2, 2, 3)])
    layer(f, "UpsamplingBilinear2d", nn.UpsamplingBilinear2d(scale_factor=2), [(1, 2, 2, 3)])
    layer(f, "PixelShuffle", nn.PixelShuffle(2), [(2, 8, 2, 3)])
    layer(f, "PixelUnshuffle", nn.PixelUnshuffle(2), [(2, 2, 4, 6)])
    layer(f, "ChannelShuffle", nn.ChannelShuffle(3), [(2, 6, 2, 3)])
    layer(f, "Unfold", nn.Unfold((2, 3), padding=1, stride=(2, 1)), [(2, 3, 4, 5)])
    layer(f, "Fold", nn.Fold((4, 5), (2, 2), dilation=2), [(2, 12, 6)])
    layer(f, "Flatten", nn.Flatten(), [(2, 3, 4)])
    layer(f, "Unflatten", nn.Unflatten(1, (2, -1)), [(2, 6, 3)])
    layer(f, "Identity", nn.Identity(), [(2, 3)])


def pools(f):
    one, two, three = (2, 3, 9), (2, 3, 6, 7), (1, 2, 4, 5, 6)
    layer(f, "MaxPool1d", nn.MaxPool1d(3, 2, 1, 2, ceil_mode=True), None, lambda g: [In(g.distinct(one))])
    layer(f, "MaxPool2d", nn.MaxPool2d((3, 2), 2, 1), None, lambda g: [In(g.distinct(two))])
    layer(f, "MaxPool3d", nn.MaxPool3d(2, (2, 1, 2), 1, ceil_mode=True), None, lambda g: [In(g.distinct(three))])
    layer(f, "AvgPool1d", nn.AvgPool1d(3, 2, 1, True, False), [one])
    layer(f, "AvgPool2d", nn.AvgPool2d((3, 2), 2, 1, divisor_override=4), [two])
    layer(f, "AvgPool3d", nn.AvgPool3d(2), [three])
    layer(f, "AdaptiveAvgPool1d", nn.AdaptiveAvgPool1d(4), [one])
    layer(f, "AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d((None, 3)), [two])
    layer(f, "AdaptiveAvgPool3d", nn.AdaptiveAvgPool3d((3, None, 2)), [three])
    layer(f, "AdaptiveMaxPool1d", nn.AdaptiveMaxPool1d(4), None, lambda g: [In(g.distinct(one))])
    layer(f, "AdaptiveMaxPool2d", nn.AdaptiveMaxPool2d((2, 3)), None, lambda g: [In(g.distinct(two))])
    layer(f, "AdaptiveMaxPool3d", nn.AdaptiveMaxPool3d(2), None, lambda g: [In(g.distinct(three))])


def norms(f):
    two, three = (3, 4, 2, 3), (2, 4, 2, 3, 2)
    layer(f, "BatchNorm1d", nn.BatchNorm1d(4), [(3, 4)])
    layer(f, "BatchNorm1d.sequences", nn.BatchNorm1d(4, momentum=None), [(3, 4, 5)])
    layer(f, "BatchNorm2d", nn.BatchNorm2d(4, eps=1e-3, momentum=0.3), [two])
    layer(f, "BatchNorm2d.eval", nn.BatchNorm2d(4), [two], training=False)
    layer(f, "BatchNorm3d", nn.BatchNorm3d(4), [three])
    layer(f, "BatchNorm3d.plain", nn.BatchNorm3d(4, affine=False, track_running_stats=False), [three], training=False)
    layer(f, "InstanceNorm1d", nn.InstanceNorm1d(4), [(3, 4, 5)])
    layer(f, "InstanceNorm1d.tracked", nn.InstanceNorm1d(4, affine=True, track_running_stats=True), [(3, 4, 5)])
    layer(f, "InstanceNorm1d.one", nn.InstanceNorm1d(4), [(4, 5)])
    layer(f, "InstanceNorm2d", nn.InstanceNorm2d(4, affine=True), [two])
    layer(f, "InstanceNorm3d", nn.InstanceNorm3d(4, eps=1e-2), [three])
    layer(f, "InstanceNorm3d.eval", nn.InstanceNorm3d(4, affine=True, track_running_stats=True), [three], training=False)
    layer(f, "GroupNorm", nn.GroupNorm(2, 4), [two])
    layer(f, "LayerNorm", nn.LayerNorm((2, 3)), [two])
    layer(f, "RmsNorm", nn.RMSNorm(3), [two])
    layer(f, "LocalResponseNorm", nn.LocalResponseNorm(3, 0.2, 0.5, 2.0), [two])
    layer(f, "InstanceNorm2d.zeros", nn.InstanceNorm2d(1), None, lambda g: [In(torch.zeros(1, 1, 2, 2))])
    for name, module, shape in (("Dropout", nn.Dropout(), two), ("Dropout1d", nn.Dropout1d(), (3, 4, 2)),
                                ("Dropout2d", nn.Dropout2d(), two), ("Dropout3d", nn.Dropout3d(), three),
                                ("AlphaDropout", nn.AlphaDropout(), two),
                                ("FeatureAlphaDropout", nn.FeatureAlphaDropout(), two)):
        layer(f, f"{name}.eval", module, [shape], training=False)


def convolutions(f):
    layer(f, "Conv1d", nn.Conv1d(4, 6, 3, 2, 1, 2, 2), [(2, 4, 9)])
    layer(f, "Conv2d", nn.Conv2d(4, 6, (3, 2), 2, (1, 0), (1, 2), 2), [(2, 4, 6, 7)])
    layer(f, "Conv3d", nn.Conv3d(2, 4, (2, 3, 2), (2, 1, 1), (1, 0, 1), 1, 2), [(1, 2, 4, 4, 3)])
    layer(f, "ConvTranspose1d", nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2), [(2, 4, 5)])
    layer(f, "ConvTranspose2d", nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, False), [(2, 4, 3, 4)])
    layer(f, "ConvTranspose3d", nn.ConvTranspose3d(2, 3, (2, 3, 2), 2, 1, 1), [(1, 2, 3, 2, 3)])
    layer(f, "Linear", nn.Linear(3, 4), [(2, 5, 3)])
    layer(f, "Bilinear", nn.Bilinear(3, 2, 4), [(2, 5, 3), (2, 5, 2)])
    layer(f, "CosineSimilarity", nn.CosineSimilarity(), [(2, 5, 3), (2, 5, 3)])
    layer(f, "PairwiseDistance", nn.PairwiseDistance(3, 1e-3, True), [(4, 3), (4, 3)])
    index = lambda g, shape: In(g.integers(shape, "i64", 0, 6))
    layer(f, "Embedding", nn.Embedding(6, 3, padding_idx=2), None, lambda g: [index(g, (4, 5))])
    layer(f, "Embedding.by_frequency", nn.Embedding(6, 3, scale_grad_by_freq=True), None, lambda g: [index(g, (4, 5))])
    for mode in ("sum", "mean", "max"):
        layer(f, f"EmbeddingBag.{mode}", nn.EmbeddingBag(6, 3, mode=mode, padding_idx=1), None,
              lambda g: [index(g, (4, 5)), ])
    layer(f, "EmbeddingBag.offsets", nn.EmbeddingBag(6, 3, include_last_offset=True), None,
          lambda g: [index(g, (7,)), In(torch.tensor([0, 2, 2, 7]))])


def layers(f):
    for fill in (activations, pads, images, pools, norms, convolutions):
        fill(f)


def losses(f):
    def loss(name, module, draw):
        f.case(name, name, lambda *tensors: module(*tensors), draw)
    shape = (4, 3)
    x = lambda g: In(g.uniform(shape), "t")
    inside = lambda g: In(g.uniform(shape, "f32", 0.05, 0.95))
    constant = lambda t: In(t, "c", False)
    signs = lambda g, s: In((2 * g.integers(s, "i64", 0, 2) - 1).float(), "c", False)
    labels = lambda g: In(torch.tensor([0, 2, -100, 1]))
    weight = torch.tensor([0.5, 2.0, 1.25])
    f.case("ctc", "ctc", lambda x, t, n, m: nn.CTCLoss()(torch.log_softmax(x, -1), t, n, m),
           lambda g: [In(g.uniform((6, 2, 4))), In(torch.tensor([[1, 2, 2], [3, 0, 0]])), In(torch.tensor([6, 4])),
                      In(torch.tensor([3, 1]))])
    loss("mse", nn.MSELoss(), lambda g: [x(g), x(g)])
    loss("l1", nn.L1Loss(), lambda g: [x(g), x(g)])
    loss("smooth_l1", nn.SmoothL1Loss(beta=0.7), lambda g: [x(g), x(g)])
    loss("huber", nn.HuberLoss(delta=0.7), lambda g: [x(g), x(g)])
    loss("bce", nn.BCELoss(), lambda g: [inside(g), inside(g)])
    loss("bce.weighted", nn.BCELoss(weight), lambda g: [inside(g), inside(g)])
    loss("bce.extreme", nn.BCELoss(),
         [In(torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-30])), constant(torch.tensor([0.0, 1.0, 1.0, 0.0, 0.5]))])
    loss("bce_with_logits", nn.BCEWithLogitsLoss(weight, pos_weight=2 * weight), lambda g: [x(g), inside(g)])
    loss("bce_with_logits.extreme", nn.BCEWithLogitsLoss(),
         [In(torch.tensor([0.0, 1e4, -1e4, 1e4, -1e30])), constant(torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0]))])
    loss("cross_entropy", nn.CrossEntropyLoss(), lambda g: [x(g), labels(g)])
    loss("cross_entropy.full", nn.CrossEntropyLoss(weight, ignore_index=1, label_smoothing=0.1),
         lambda g: [x(g), In(torch.tensor([0, 2, 1, 0]))])
    loss("cross_entropy.soft", nn.CrossEntropyLoss(weight, label_smoothing=0.2), lambda g: [x(g), inside(g)])
    loss("nll", nn.NLLLoss(), lambda g: [x(g), labels(g)])
    loss("nll.weighted", nn.NLLLoss(weight), lambda g: [x(g), labels(g)])
    loss("kl_div", nn.KLDivLoss(), lambda g: [x(g), inside(g)])
    loss("kl_div.batch", nn.KLDivLoss(reduction="batchmean"), lambda g: [x(g), inside(g)])
    loss("kl_div.log", nn.KLDivLoss(log_target=True), lambda g: [x(g), x(g)])
    loss("poisson_nll", nn.PoissonNLLLoss(), lambda g: [x(g), constant(g.integers(shape, "f32", 0, 6))])
    loss("poisson_nll.full", nn.PoissonNLLLoss(False, True), lambda g: [inside(g), constant(g.integers(shape, "f32", 0, 6))])
    loss("gaussian_nll", nn.GaussianNLLLoss(full=True), lambda g: [x(g), x(g), In(g.uniform((4, 1), "f32", 0.1, 2))])
    loss("margin_ranking", nn.MarginRankingLoss(0.3), lambda g: [x(g), x(g), signs(g, shape)])
    loss("hinge_embedding", nn.HingeEmbeddingLoss(0.6), lambda g: [x(g), signs(g, shape)])
    loss("cosine_embedding", nn.CosineEmbeddingLoss(0.2), lambda g: [x(g), x(g), signs(g, (4,))])
    loss("soft_margin", nn.SoftMarginLoss(), lambda g: [x(g), signs(g, shape)])
    loss("multi_margin", nn.MultiMarginLoss(2, 0.8, weight), lambda g: [x(g), In(torch.tensor([0, 2, 1, 1]))])
    loss("multilabel_margin", nn.MultiLabelMarginLoss(),
         lambda g: [x(g), In(torch.tensor([[0, 2, -1], [1, -1, 0], [-1, 0, 1], [2, 1, 0]]))])
    loss("multilabel_soft_margin", nn.MultiLabelSoftMarginLoss(weight),
         lambda g: [x(g), constant(g.integers(shape, "f32", 0, 2))])
    loss("triplet_margin", nn.TripletMarginLoss(1.5, swap=True), lambda g: [x(g), x(g), x(g)])


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "tests", "golden", "nn")
    os.makedirs(folder, exist_ok=True)
    torch.set_num_threads(1)
    for name, fill in (("layers", layers), ("losses", losses)):
        family = Family(name)
        fill(family)
        print(f"{name}: {len(family.cases)} cases, {family.write(folder)} bytes")
        for case, why in family.skipped:
            print(f"  PyTorch has none for {case}: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()
