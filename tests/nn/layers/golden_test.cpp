// Layers and losses against the modules of torch.nn: scripts/make_layers_golden.py.
#include <gtest/gtest.h>

#include <set>

#include "autograd/in_place.h"
#include "autograd/ops.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "tests/support/golden.h"

namespace tessera::nn {
namespace {

using test::GoldenArgs;
using test::GoldenOps;
using Tensors = std::vector<Tensor>;

// The parameters get the values, and the histories, of the arguments from `first` on.
void bind_parameters(const Module& module, const GoldenArgs& args, size_t first) {
  auto parameters = module.named_parameters();
  TESSERA_CHECK(parameters.size() + first == args.size(), "[golden] {} has {} parameters of {}",
                module.name(), parameters.size(), args.size() - first);
  for (auto& [name, parameter] : parameters) {
    parameter.set_requires_grad(false);
    copy_(parameter, args.tensor(first++));
  }
}

Tensors with_buffers(const Tensor& y, const Module& module) {
  Tensors out{y};
  for (const auto& [name, buffer] : module.named_buffers()) {
    if (is_floating(buffer.dtype())) out.push_back(buffer);
  }
  return out;
}

// Made anew for each case. A layer of two tensors takes both; `evaluates` is for eval mode.
struct How {
  size_t inputs = 1;
  bool evaluates = false;
};

template <class L, class... Args>
void add(GoldenOps& ops, const std::string& name, How how, const Args&... args) {
  ops[name] = [=](const GoldenArgs& a) {
    auto layer = make<L>(args...);
    bind_parameters(*layer, a, how.inputs);
    if (how.evaluates) layer->eval();
    Tensor y;
    if constexpr (requires { (*layer)(a.tensor(0)); }) {
      if (how.inputs == 1) y = (*layer)(a.tensor(0));
    }
    if constexpr (requires { (*layer)(a.tensor(0), a.tensor(1)); }) {
      if (how.inputs == 2) y = (*layer)(a.tensor(0), a.tensor(1));
    }
    return with_buffers(y, *layer);
  };
}

constexpr How kOne{};
constexpr How kTwo{.inputs = 2};
constexpr How kEval{.evaluates = true};

void add_activations(GoldenOps& ops) {
  add<Relu>(ops, "Relu", kOne);
  add<Relu6>(ops, "Relu6", kOne);
  add<Selu>(ops, "Selu", kOne);
  add<Silu>(ops, "Silu", kOne);
  add<Mish>(ops, "Mish", kOne);
  add<Hardswish>(ops, "Hardswish", kOne);
  add<Hardsigmoid>(ops, "Hardsigmoid", kOne);
  add<Softsign>(ops, "Softsign", kOne);
  add<LogSigmoid>(ops, "LogSigmoid", kOne);
  add<Sigmoid>(ops, "Sigmoid", kOne);
  add<Tanh>(ops, "Tanh", kOne);
  add<Tanhshrink>(ops, "Tanhshrink", kOne);
  add<Gelu>(ops, "Gelu", kOne);
  add<Gelu>(ops, "Gelu.tanh", kOne, tessera::Gelu::tanh);
  add<LeakyRelu>(ops, "LeakyRelu", kOne);
  add<LeakyRelu>(ops, "LeakyRelu.0.2", kOne, 0.2);
  add<Elu>(ops, "Elu", kOne);
  add<Elu>(ops, "Elu.0.7", kOne, 0.7);
  add<Celu>(ops, "Celu", kOne);
  add<Celu>(ops, "Celu.0.7", kOne, 0.7);
  add<Softplus>(ops, "Softplus", kOne);
  add<Softplus>(ops, "Softplus.2.5", kOne, 2.0, 5.0);
  add<Hardtanh>(ops, "Hardtanh", kOne);
  add<Hardtanh>(ops, "Hardtanh.-2.3", kOne, -2.0, 3.0);
  add<Hardshrink>(ops, "Hardshrink", kOne);
  add<Softshrink>(ops, "Softshrink", kOne);
  add<Threshold>(ops, "Threshold", kOne, 0.1, -2);
  add<Prelu>(ops, "Prelu", kOne);
  add<Prelu>(ops, "Prelu.3", kOne, 3);
  add<Glu>(ops, "Glu", kOne);
  add<Glu>(ops, "Glu.1", kOne, 1);
  add<Softmin>(ops, "Softmin", kOne, 1);
  add<Softmax>(ops, "Softmax", kOne, 1);
  add<Softmax>(ops, "Softmax.extreme", kOne, 0);
  add<LogSoftmax>(ops, "LogSoftmax", kOne, -1);
  add<Softmax2d>(ops, "Softmax2d", kOne);
}

template <class One, class Two, class Three>
void add_pads_of(GoldenOps& ops, const std::string& name) {
  add<One>(ops, name + "Pad1d", kOne, Dims{2, 1});
  add<Two>(ops, name + "Pad2d", kOne, Dims{2, 1, 0, 3});
  add<Two>(ops, name + "Pad2d.2", kOne, 2);
  add<Three>(ops, name + "Pad3d", kOne, Dims{2, 1, 0, 3, 1, 2});
}

void add_images(GoldenOps& ops) {
  add_pads_of<ZeroPad1d, ZeroPad2d, ZeroPad3d>(ops, "Zero");
  add_pads_of<ReflectionPad1d, ReflectionPad2d, ReflectionPad3d>(ops, "Reflection");
  add_pads_of<ReplicationPad1d, ReplicationPad2d, ReplicationPad3d>(ops, "Replication");
  add_pads_of<CircularPad1d, CircularPad2d, CircularPad3d>(ops, "Circular");
  add<ConstantPad1d>(ops, "ConstantPad1d", kOne, Dims{1, 2}, 1.5);
  add<ConstantPad2d>(ops, "ConstantPad2d", kOne, Dims{1, -1, 2, 0}, -0.5);
  add<ConstantPad3d>(ops, "ConstantPad3d", kOne, 1, 2);
  auto upsample = [&](const std::string& name, const UpsampleOptions& options) {
    add<Upsample>(ops, "Upsample." + name, kOne, options);
  };
  upsample("nearest", {.scale_factor = {2}});
  upsample("linear", {.size = {7}, .mode = Interpolation::linear});
  upsample("bilinear", {.size = {5, 3}, .mode = Interpolation::bilinear, .align_corners = true});
  upsample("bicubic", {.scale_factor = {1.5, 2}, .mode = Interpolation::bicubic});
  upsample("trilinear", {.size = {4}, .mode = Interpolation::trilinear});
  add<UpsamplingNearest2d>(ops, "UpsamplingNearest2d", kOne, 3.0);
  add<UpsamplingBilinear2d>(ops, "UpsamplingBilinear2d", kOne, 2.0);
  add<PixelShuffle>(ops, "PixelShuffle", kOne, 2);
  add<PixelUnshuffle>(ops, "PixelUnshuffle", kOne, 2);
  add<ChannelShuffle>(ops, "ChannelShuffle", kOne, 3);
  add<Unfold>(ops, "Unfold", kOne, Dims{2, 3}, WindowOptions{.padding = {1}, .stride = {2, 1}});
  add<Fold>(ops, "Fold", kOne, Dims{4, 5}, Dims{2, 2}, WindowOptions{.dilation = {2}});
  add<Flatten>(ops, "Flatten", kOne);
  add<Unflatten>(ops, "Unflatten", kOne, 1, Dims{2, -1});
  add<Identity>(ops, "Identity", kOne);
}

void add_pools(GoldenOps& ops) {
  add<MaxPool1d>(ops, "MaxPool1d", kOne, 3,
                 MaxPool1dOptions{.stride = 2, .padding = 1, .dilation = 2, .ceil_mode = true});
  add<MaxPool2d>(ops, "MaxPool2d", kOne, Dims{3, 2},
                 MaxPool2dOptions{.stride = {2}, .padding = {1}});
  add<MaxPool3d>(ops, "MaxPool3d", kOne, 2,
                 MaxPool3dOptions{.stride = {2, 1, 2}, .padding = {1}, .ceil_mode = true});
  add<AvgPool1d>(
      ops, "AvgPool1d", kOne, 3,
      AvgPool1dOptions{.stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false});
  add<AvgPool2d>(ops, "AvgPool2d", kOne, Dims{3, 2},
                 AvgPool2dOptions{.stride = {2}, .padding = {1}, .divisor_override = 4});
  add<AvgPool3d>(ops, "AvgPool3d", kOne, 2);
  AdaptiveSize half_image{std::nullopt, 3};
  AdaptiveSize part_of_volume{3, std::nullopt, 2};
  add<AdaptiveAvgPool1d>(ops, "AdaptiveAvgPool1d", kOne, 4);
  add<AdaptiveAvgPool2d>(ops, "AdaptiveAvgPool2d", kOne, half_image);
  add<AdaptiveAvgPool3d>(ops, "AdaptiveAvgPool3d", kOne, part_of_volume);
  add<AdaptiveMaxPool1d>(ops, "AdaptiveMaxPool1d", kOne, 4);
  add<AdaptiveMaxPool2d>(ops, "AdaptiveMaxPool2d", kOne, Dims{2, 3});
  add<AdaptiveMaxPool3d>(ops, "AdaptiveMaxPool3d", kOne, 2);
}

void add_norms(GoldenOps& ops) {
  BatchNormOptions full{.affine = true, .track_running_stats = true};
  add<BatchNorm1d>(ops, "BatchNorm1d", kOne, 4);
  add<BatchNorm1d>(ops, "BatchNorm1d.sequences", kOne, 4,
                   BatchNormOptions{.momentum = std::nullopt});
  add<BatchNorm2d>(ops, "BatchNorm2d", kOne, 4, BatchNormOptions{.eps = 1e-3, .momentum = 0.3});
  add<BatchNorm2d>(ops, "BatchNorm2d.eval", kEval, 4);
  add<BatchNorm3d>(ops, "BatchNorm3d", kOne, 4);
  add<BatchNorm3d>(ops, "BatchNorm3d.plain", kEval, 4, kPlainInstanceNorm);
  add<InstanceNorm1d>(ops, "InstanceNorm1d", kOne, 4);
  add<InstanceNorm1d>(ops, "InstanceNorm1d.tracked", kOne, 4, full);
  add<InstanceNorm1d>(ops, "InstanceNorm1d.one", kOne, 4);
  add<InstanceNorm2d>(ops, "InstanceNorm2d", kOne, 4,
                      BatchNormOptions{.affine = true, .track_running_stats = false});
  add<InstanceNorm2d>(ops, "InstanceNorm2d.zeros", kOne, 1);
  add<InstanceNorm3d>(ops, "InstanceNorm3d", kOne, 4,
                      BatchNormOptions{.eps = 1e-2, .affine = false, .track_running_stats = false});
  add<InstanceNorm3d>(ops, "InstanceNorm3d.eval", kEval, 4, full);
  add<GroupNorm>(ops, "GroupNorm", kOne, 2, 4);
  add<LayerNorm>(ops, "LayerNorm", kOne, Dims{2, 3});
  add<RmsNorm>(ops, "RmsNorm", kOne, 3);
  add<LocalResponseNorm>(ops, "LocalResponseNorm", kOne, 3, 0.2, 0.5, 2.0);
  add<Dropout>(ops, "Dropout.eval", kEval);
  add<Dropout1d>(ops, "Dropout1d.eval", kEval);
  add<Dropout2d>(ops, "Dropout2d.eval", kEval);
  add<Dropout3d>(ops, "Dropout3d.eval", kEval);
  add<AlphaDropout>(ops, "AlphaDropout.eval", kEval);
  add<FeatureAlphaDropout>(ops, "FeatureAlphaDropout.eval", kEval);
}

void add_products(GoldenOps& ops) {
  add<Conv1d>(ops, "Conv1d", kOne, 4, 6, 3,
              Conv1dOptions{.stride = 2, .padding = 1, .dilation = 2, .groups = 2});
  add<Conv2d>(ops, "Conv2d", kOne, 4, 6, Dims{3, 2},
              Conv2dOptions{.stride = {2}, .padding = {1, 0}, .dilation = {1, 2}, .groups = 2});
  add<Conv3d>(ops, "Conv3d", kOne, 2, 4, Dims{2, 3, 2},
              Conv3dOptions{.stride = {2, 1, 1}, .padding = {1, 0, 1}, .groups = 2});
  add<ConvTranspose1d>(
      ops, "ConvTranspose1d", kOne, 4, 6, 3,
      ConvTranspose1dOptions{.stride = 2, .padding = 1, .output_padding = 1, .groups = 2});
  add<ConvTranspose2d>(
      ops, "ConvTranspose2d", kOne, 4, 6, 3,
      ConvTranspose2dOptions{
          .stride = {2}, .padding = {1}, .output_padding = {1}, .groups = 2, .bias = false});
  add<ConvTranspose3d>(
      ops, "ConvTranspose3d", kOne, 2, 3, Dims{2, 3, 2},
      ConvTranspose3dOptions{.stride = {2}, .padding = {1}, .output_padding = {1}});
  add<Linear>(ops, "Linear", kOne, 3, 4);
  add<Bilinear>(ops, "Bilinear", kTwo, 3, 2, 4);
  add<CosineSimilarity>(ops, "CosineSimilarity", kTwo);
  add<PairwiseDistance>(ops, "PairwiseDistance", kTwo, 3.0, 1e-3, true);
  add<Embedding>(ops, "Embedding", kOne, 6, 3, EmbeddingOptions{.padding_idx = 2});
  add<Embedding>(ops, "Embedding.by_frequency", kOne, 6, 3,
                 EmbeddingOptions{.scale_grad_by_freq = true});
  auto bag = [&](const std::string& name, BagMode mode) {
    add<EmbeddingBag>(ops, "EmbeddingBag." + name, kOne, 6, 3,
                      EmbeddingBagLayerOptions{.mode = mode, .padding_idx = 1});
  };
  bag("sum", BagMode::sum);
  bag("mean", BagMode::mean);
  bag("max", BagMode::max);
  add<EmbeddingBag>(ops, "EmbeddingBag.offsets", kTwo, 6, 3,
                    EmbeddingBagLayerOptions{.include_last_offset = true});
}

Tensors mean_of(const Loss& loss) { return {loss.sum / loss.weight}; }

Tensor class_weight() { return Array::from<float>({0.5F, 2, 1.25F}, {3}); }

using LossOfTwo = Loss (*)(const Tensor&, const Tensor&);
using LossOfThree = Loss (*)(const Tensor&, const Tensor&, const Tensor&);

const std::map<std::string, LossOfTwo>& losses_of_two() {
  static const std::map<std::string, LossOfTwo> losses{
      {"mse", [](auto& x, auto& t) { return nn::mse_loss(x, t); }},
      {"l1", [](auto& x, auto& t) { return nn::l1_loss(x, t); }},
      {"smooth_l1", [](auto& x, auto& t) { return nn::smooth_l1_loss(x, t, 0.7); }},
      {"huber", [](auto& x, auto& t) { return nn::huber_loss(x, t, 0.7); }},
      {"bce", [](auto& x, auto& t) { return bce_loss(x, t); }},
      {"bce.extreme", [](auto& x, auto& t) { return bce_loss(x, t); }},
      {"bce.weighted", [](auto& x, auto& t) { return bce_loss(x, t, class_weight()); }},
      {"bce_with_logits",
       [](auto& x, auto& t) {
         return bce_with_logits_loss(x, t, class_weight(), class_weight() * 2);
       }},
      {"bce_with_logits.extreme", [](auto& x, auto& t) { return bce_with_logits_loss(x, t); }},
      {"cross_entropy", [](auto& x, auto& t) { return cross_entropy_loss(x, t); }},
      {"cross_entropy.full",
       [](auto& x, auto& t) {
         return cross_entropy_loss(
             x, t, {.weight = class_weight(), .ignore_index = 1, .label_smoothing = 0.1});
       }},
      {"cross_entropy.soft",
       [](auto& x, auto& t) {
         return cross_entropy_loss(x, t, {.weight = class_weight(), .label_smoothing = 0.2});
       }},
      {"nll", [](auto& x, auto& t) { return nn::nll_loss(x, t); }},
      {"nll.weighted",
       [](auto& x, auto& t) { return nn::nll_loss(x, t, {.weight = class_weight()}); }},
      {"kl_div", [](auto& x, auto& t) { return kl_div_loss(x, t); }},
      {"kl_div.batch", [](auto& x, auto& t) { return kl_div_loss(x, t, {.batch_mean = true}); }},
      {"kl_div.log", [](auto& x, auto& t) { return kl_div_loss(x, t, {.log_target = true}); }},
      {"poisson_nll", [](auto& x, auto& t) { return nn::poisson_nll_loss(x, t); }},
      {"poisson_nll.full",
       [](auto& x, auto& t) {
         return nn::poisson_nll_loss(x, t, {.log_input = false, .full = true});
       }},
      {"hinge_embedding", [](auto& x, auto& t) { return nn::hinge_embedding_loss(x, t, 0.6); }},
      {"soft_margin", [](auto& x, auto& t) { return nn::soft_margin_loss(x, t); }},
      {"multi_margin",
       [](auto& x, auto& t) {
         return nn::multi_margin_loss(x, t, {.p = 2, .margin = 0.8, .weight = class_weight()});
       }},
      {"multilabel_margin", [](auto& x, auto& t) { return nn::multilabel_margin_loss(x, t); }},
      {"multilabel_soft_margin",
       [](auto& x, auto& t) { return nn::multilabel_soft_margin_loss(x, t, class_weight()); }}};
  return losses;
}

const std::map<std::string, LossOfThree>& losses_of_three() {
  static const std::map<std::string, LossOfThree> losses{
      {"gaussian_nll", [](auto& x, auto& t,
                          auto& var) { return nn::gaussian_nll_loss(x, t, var, {.full = true}); }},
      {"margin_ranking",
       [](auto& a, auto& b, auto& t) { return nn::margin_ranking_loss(a, b, t, 0.3); }},
      {"cosine_embedding",
       [](auto& a, auto& b, auto& t) { return nn::cosine_embedding_loss(a, b, t, 0.2); }},
      {"triplet_margin", [](auto& a, auto& p, auto& n) {
         return nn::triplet_margin_loss(a, p, n, {.margin = 1.5, .swap = true});
       }}};
  return losses;
}

void expect_all(const std::string& file_name, const GoldenOps& ops) {
  auto file = test::read_golden(std::string(TESSERA_GOLDEN_DIR) + "/nn/" + file_name);
  std::set<std::string> used;
  for (const test::GoldenCase& golden : file.cases) {
    auto op = ops.find(golden.op);
    if (op == ops.end()) {
      ADD_FAILURE() << "nothing for " << golden.op;
      continue;
    }
    used.insert(golden.op);
    EXPECT_EQ(test::golden_fault(file, golden, op->second), "") << golden.name;
  }
  for (const auto& [name, op] : ops) EXPECT_TRUE(used.contains(name)) << "no case of " << name;
}

TEST(GoldenLayers, ValuesAndGradientsAreThoseOfPyTorch) {
  GoldenOps ops;
  add_activations(ops);
  add_images(ops);
  add_pools(ops);
  add_norms(ops);
  add_products(ops);
  expect_all("layers.safetensors", ops);
}

TEST(GoldenLosses, MeansAndGradientsAreThoseOfPyTorch) {
  GoldenOps ops;
  for (const auto& [name, loss] : losses_of_two()) {
    ops[name] = [loss](const GoldenArgs& a) { return mean_of(loss(a.tensor(0), a.tensor(1))); };
  }
  for (const auto& [name, loss] : losses_of_three()) {
    ops[name] = [loss](const GoldenArgs& a) {
      return mean_of(loss(a.tensor(0), a.tensor(1), a.tensor(2)));
    };
  }
  ops["ctc"] = [](const GoldenArgs& a) {
    Tensor log_probs = log_softmax(a.tensor(0), -1);
    return mean_of(nn::ctc_loss(log_probs, a.tensor(1), a.tensor(2), a.tensor(3)));
  };
  expect_all("losses.safetensors", ops);
}

}  // namespace
}  // namespace tessera::nn
