#include "nn/layers/conv.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "tests/nn/layers/naive.h"
#include "tests/nn/layers/torch_cases.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::error_of;
using test::random_array;
using test::same_bits;

TEST(Conv2d, IsTheFunctionOfItsOptions) {
  Module root;
  Conv2d layer(&root, "conv", 4, 6, {3, 2},
               {.stride = {2}, .padding = {1, 0}, .dilation = {1, 2}, .groups = 2});
  EXPECT_EQ(layer.weight.shape(), (Dims{6, 2, 3, 2}));
  Tensor x(random_array({2, 4, 7, 9}));
  Tensor expected = conv2d(x, layer.weight, layer.bias, {2}, {1, 0}, {1, 2}, 2);
  EXPECT_TRUE(same_bits(layer(x).data(), expected.data()));
  Conv2d square(&root, "square", 4, 6, {3}, {.bias = false});
  EXPECT_EQ(square.weight.shape(), (Dims{6, 4, 3, 3}));
  EXPECT_FALSE(square.bias.defined());
}

TEST(Conv2d, StartsAsPyTorchDoes) {
  manual_seed(1);
  Module root;
  Conv2d layer(&root, "conv", 8, 300, {3}, {.groups = 2});
  EXPECT_LE(max_abs(layer.weight), 1.0 / 6);  // 1 / sqrt(4 * 3 * 3)
  EXPECT_GT(max_abs(layer.weight), 0.99 / 6);
  EXPECT_LE(max_abs(layer.bias), 1.0 / 6);
  EXPECT_GT(max_abs(layer.bias), 0.9 / 6);
}

TEST(Conv1d, IsTheFunctionOfItsOptions) {
  Module root;
  Conv1d layer(&root, "conv", 4, 6, 3, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2});
  EXPECT_EQ(layer.weight.shape(), (Dims{6, 2, 3}));
  Tensor x(random_array({2, 4, 9}));
  EXPECT_TRUE(same_bits(layer(x).data(), conv1d(x, layer.weight, layer.bias, 2, 2, 2, 2).data()));
}

TEST(ConvTranspose2d, IsTheFunctionOfItsOptions) {
  Module root;
  ConvTranspose2d layer(&root, "up", 4, 6, {3},
                        {.stride = {2}, .padding = {1}, .output_padding = {1}, .groups = 2});
  EXPECT_EQ(layer.weight.shape(), (Dims{4, 3, 3, 3}));
  Tensor x(random_array({2, 4, 5, 5}));
  Tensor expected = conv_transpose2d(x, layer.weight, layer.bias, {2}, {1}, {1}, 2);
  EXPECT_TRUE(same_bits(layer(x).data(), expected.data()));
  EXPECT_EQ(expected.shape(), (Dims{2, 6, 10, 10}));
}

TEST(Conv2d, RefusesWhatDoesNotFit) {
  Module root;
  EXPECT_EQ(error_of([&] { Conv2d(&root, "c", 4, 6, {3}, {.groups = 4}); }),
            "[Conv2d] expected groups that divide both numbers of channels, got 4, 6 and 4");
  EXPECT_EQ(error_of([&] {
              Conv2d(&root, "c", 4, 6, {3, 3, 3});
            }),
            "[Conv2d] expected a kernel of one or two sizes, got (3, 3, 3)");
  EXPECT_EQ(error_of([&] { ConvTranspose2d(&root, "c", 4, 6, {0}); }),
            "[ConvTranspose2d] expected a kernel of at least 1, got (0,)");
  EXPECT_EQ(error_of([&] { Conv1d(&root, "c", 4, 6, 0); }),
            "[Conv1d] expected a kernel of at least 1, got 0");
}

template <class L, class Kernel, class Options>
test::LayerCase conv_case(const std::string& name, const Dims& input, int64_t in, int64_t out,
                          const Kernel& kernel, const Options& options) {
  return {name, {input}, [=](Module& root, const std::vector<Tensor>& x) -> std::vector<Tensor> {
            return {test::layer<L>(root, in, out, kernel, options)(x[0])};
          }};
}

using Cases = std::vector<test::LayerCase>;

Cases cases_of_lines() {
  auto of = [](const std::string& name, int64_t kernel, const Conv1dOptions& options) {
    return conv_case<Conv1d>("conv1d_" + name, {2, 4, 9}, 4, 6, kernel, options);
  };
  return {
      of("reflect", 3,
         {.stride = 2, .padding = 2, .dilation = 2, .groups = 2, .padding_mode = PadMode::reflect}),
      of("replicate", 3, {.padding = 2, .padding_mode = PadMode::replicate}),
      of("circular", 3, {.padding = 1, .bias = false, .padding_mode = PadMode::circular}),
      of("same", 4, {.padding = ConvPadding::same, .dilation = 3}),
      of("same_circular", 4, {.padding = ConvPadding::same, .padding_mode = PadMode::circular}),
      of("valid", 3, {.stride = 2, .padding = ConvPadding::valid}),
  };
}

Cases cases_of_images() {
  auto of = [](const std::string& name, const Dims& kernel, const Conv2dOptions& options) {
    return conv_case<Conv2d>("conv2d_" + name, {2, 4, 6, 7}, 4, 6, kernel, options);
  };
  return {
      of("reflect", {3}, {.stride = {2}, .padding = {1, 2}, .padding_mode = PadMode::reflect}),
      of("replicate", {3, 2}, {.padding = {2, 0}, .padding_mode = PadMode::replicate}),
      of("circular", {3}, {.padding = {2}, .dilation = {2}, .padding_mode = PadMode::circular}),
      of("same", {3, 2}, {.padding = ConvPadding::same, .dilation = {1, 3}, .groups = 2}),
      of("same_reflect", {3, 4}, {.padding = ConvPadding::same, .padding_mode = PadMode::reflect}),
      conv_case<Conv2d>("conv2d_no_batch", {4, 6, 7}, 4, 6, 3,
                        Conv2dOptions{.padding = 1, .padding_mode = PadMode::reflect}),
  };
}

Cases cases_of_volumes() {
  auto of = [](const std::string& name, const Dims& kernel, const Conv3dOptions& options) {
    return conv_case<Conv3d>("conv3d_" + name, {1, 2, 4, 5, 4}, 2, 3, kernel, options);
  };
  return {
      of("reflect", {2}, {.padding = 1, .padding_mode = PadMode::reflect}),
      of("replicate", {2, 3, 2}, {.padding = {1, 0, 2}, .padding_mode = PadMode::replicate}),
      of("circular", {3}, {.padding = 1, .padding_mode = PadMode::circular}),
      of("same", {2, 3, 4}, {.padding = ConvPadding::same}),
      of("same_replicate", {2}, {.padding = ConvPadding::same, .padding_mode = PadMode::replicate}),
  };
}

TEST(Convolutions, PadAsTorchDoes) {
  Cases all;
  for (const Cases& cases : {cases_of_lines(), cases_of_images(), cases_of_volumes()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  test::expect_as_in_torch("convolutions.safetensors", all);
}

TEST(Convolutions, RefusePaddingThatDoesNotFit) {
  EXPECT_EQ(error_of([] {
              Conv2d(nullptr, "", 4, 6, 3, {.stride = {1, 2}, .padding = ConvPadding::same});
            }),
            "[Conv2d] padding by `same` needs a stride of 1, got (1, 2)");
  EXPECT_EQ(error_of([] {
              Conv1d(nullptr, "", 4, 6, 3, {.padding = {1, 2}});
            }),
            "[Conv1d] expected one size, or one for each of 1 dims, got (1, 2)");
  EXPECT_EQ(error_of([] { Conv3d(nullptr, "", 4, 6, 3, {.padding = -1}); }),
            "[Conv3d] expected a padding of at least 0, got (-1,)");
  Conv1d wide(nullptr, "", 4, 6, 3, {.padding = 3, .padding_mode = PadMode::reflect});
  EXPECT_EQ(error_of([&] {
              wide(Tensor(random_array({2, 4, 3})));
            }),
            "[pad] expected reflect padding of at most 2 for a dim of size 3, got 3 and 3");
  EXPECT_EQ(error_of([] {
              Conv2d(nullptr, "", 4, 6, 3, {.padding = ConvPadding::same, .dilation = {1, -1}});
            }),
            "[Conv2d] expected a dilation of at least 1, got (1, -1)");
}

}  // namespace
}  // namespace tessera::nn
