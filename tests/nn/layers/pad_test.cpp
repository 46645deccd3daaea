#include "nn/layers/pad.h"

#include <gtest/gtest.h>

#include "nn/layers.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::error_of;
using test::random_array;

TEST(Padding, RefusesWhatDoesNotFit) {
  Module root;
  EXPECT_EQ(error_of([&] {
              ZeroPad2d(&root, "p", Dims{1, 2, 3});
            }),
            "[ZeroPad2d] expected a padding of 1 or 4 numbers, got (1, 2, 3)");
  EXPECT_EQ(error_of([&] {
              ReflectionPad1d(&root, "p", 1)(random_array({2, 3, 4, 5}));
            }),
            "[ReflectionPad1d] expected an input of 2 or 3 dims, got (2, 3, 4, 5)");
  EXPECT_NE(error_of([&] { ReflectionPad1d(&root, "q", 4)(random_array({2, 3, 4})); }), "");
  EXPECT_NE(error_of([&] {
              ConstantPad1d(&root, "c", 1, 300)(Array::zeros({2, 3}, DType::u8));
            }),
            "");
}

TEST(Upsample, RefusesWhatDoesNotFit) {
  Module root;
  EXPECT_EQ(error_of([&] { Upsample(&root, "u", {}); }),
            "[Upsample] expected a size or a scale_factor, got both or neither");
  EXPECT_NE(error_of([&] {
              Upsample(&root, "v", {.scale_factor = {2, 2}})(random_array({1, 2, 3}));
            }),
            "");
  EXPECT_EQ(
      error_of([&] {
        ChannelShuffle(&root, "c", 4)(random_array({1, 6, 2}));
      }),
      "[channel_shuffle] expected (N, C, ...) with channels that 4 groups divide, got (1, 6, 2)");
}

TEST(Volumes, RefuseWhatDoesNotFit) {
  Module root;
  EXPECT_EQ(error_of([&] {
              Conv3d(&root, "c", 4, 6, {3, 3});
            }),
            "[Conv3d] expected a kernel of one or three sizes, got (3, 3)");
  EXPECT_EQ(error_of([&] {
              Conv3d(&root, "d", 2, 2, 3)(random_array({1, 2, 2, 4, 4}));
            }),
            "[conv3d] expected a kernel (2, 2, 3, 3, 3) with dilation (1,) that fits into x (1, 2, "
            "2, 4, 4) padded by (0,)");
  EXPECT_EQ(error_of([&] {
              MaxPool3d(&root, "m", 3)(random_array({1, 2, 2, 4, 4}));
            }),
            "[max_pool3d] expected a kernel (3,) that fits into (1, 2, 2, 4, 4)");
  EXPECT_EQ(error_of([&] {
              AvgPool3d(&root, "a", Dims{2, 2})(random_array({1, 2, 2, 4, 4}));
            }),
            "[avg_pool3d] expected kernel of one or three sizes, got (2, 2)");
}

TEST(EmbeddingBag, RefusesWhatDoesNotFit) {
  Module root;
  EmbeddingBag bag(&root, "bag", 5, 3);
  auto indices = [](const std::vector<int64_t>& values) {
    return Tensor(Array::from(values, {static_cast<int64_t>(values.size())}));
  };
  EXPECT_EQ(error_of([&] {
              bag(indices({1, 2}));
            }),
            "[embedding_bag] expected an index (B, L) without offsets, got (2,)");
  EXPECT_EQ(error_of([&] {
              bag(indices({1, 2}), indices({0, 3}));
            }),
            "[embedding_bag] expected offsets up to 2 that never fall, got 0, 3");
  EXPECT_EQ(error_of([&] {
              bag(indices({1, 2}), indices({1}));
            }),
            "[embedding_bag] expected offsets from 0 to 2, got 1 and 2");
  EXPECT_NE(error_of([&] { bag(indices({1, 5}), indices({0})); }), "");
  EXPECT_EQ(error_of([&] {
              bag(indices({1, 2}), indices({0}), random_array({2}));
            }),
            "[embedding_bag] expected per_sample_weights with the mode sum only");
  EXPECT_EQ(error_of([&] { EmbeddingBag(&root, "other", 5, 2, {.padding_idx = 5}); }),
            "[EmbeddingBag] expected a padding_idx in [-5, 5), got 5");
}

}  // namespace
}  // namespace tessera::nn
