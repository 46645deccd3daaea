#include "nn/layers/embedding.h"

#include <gtest/gtest.h>

#include <optional>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

TEST(Embedding, TakesRows) {
  Module root;
  Embedding layer(&root, "wte", 5, 3);
  Tensor y = layer(Array::from(std::vector<int64_t>{4, 0, 0, 2}, {2, 2}));
  EXPECT_EQ(y.shape(), (Dims{2, 2, 3}));
  std::vector<double> w = doubles(layer.weight.data());
  std::vector<double> expected;
  for (size_t row : {4, 0, 0, 2}) {
    for (size_t i = 0; i < 3; ++i) expected.push_back(w[row * 3 + i]);
  }
  EXPECT_EQ(doubles(y.data()), expected);
  EXPECT_THROW(layer(Array::from(std::vector<int64_t>{5}, {1})), Error);
  EXPECT_THROW(layer(Array::from(std::vector<int64_t>{-1}, {1})), Error);
}

TEST(Embedding, APaddingRowIsZeroAndGetsNoGradient) {
  for (int64_t padding : {1, -4}) {
    Module root;
    Embedding layer(&root, "wte", 5, 2, {.padding_idx = padding});
    sum(layer(Array::from(std::vector<int64_t>{1, 0, 1, 4}, {4}))).backward();
    std::vector<double> weight = doubles(layer.weight.data());
    EXPECT_EQ(weight[2], 0);
    EXPECT_EQ(weight[3], 0);
    EXPECT_NE(weight[4], 0);
    EXPECT_EQ(doubles(layer.weight.grad().data()),
              (std::vector<double>{1, 1, 0, 0, 0, 0, 0, 0, 1, 1}));
  }
}

// Whoever makes the values, and of whichever part.
TEST(Embedding, APaddingRowIsZeroWhereValuesAreMadeLater) {
  for (int64_t padding : {1, -4, 0, 4}) {
    Module whole_root;
    Embedding whole(&whole_root, "wte", 5, 3, {.padding_idx = padding});
    Module root;
    std::optional<DeferInit> defer(std::in_place);
    Embedding layer(&root, "wte", 5, 3, {.padding_idx = padding});
    defer.reset();
    for (int64_t first = 0; first < 15; ++first) {
      Array made = Array::empty({15 - first});
      root.initial_values(layer.weight).fill(first, made);
      EXPECT_TRUE(same_bits(made, whole.weight.data().view({15}).slice(0, first, 15))) << first;
    }
    root.materialize();
    EXPECT_TRUE(same_bits(layer.weight.data(), whole.weight.data()));
    int64_t row = padding < 0 ? padding + 5 : padding;
    EXPECT_EQ(doubles(layer.weight.data().select(0, row)), std::vector<double>(3, 0));
  }
}

TEST(Embedding, RefusesAPaddingRowOutside) {
  Module root;
  EXPECT_TRUE(contains(error_of([&] { Embedding(&root, "wte", 5, 2, {.padding_idx = 5}); }),
                       "[Embedding] expected a padding_idx in [-5, 5), got 5"));
}

}  // namespace
}  // namespace tessera::nn
