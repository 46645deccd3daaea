#include "nn/layers/activation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;

TEST(Gelu, GivesTheExactForm) {
  Module root;
  Gelu layer(&root, "act");
  Array x = random_array({50}, DType::f32, 1, -4, 4);
  std::vector<double> expected;
  for (double v : doubles(x)) expected.push_back(0.5 * v * (1 + std::erf(v / std::sqrt(2))));
  EXPECT_TRUE(close_to(doubles(layer(x).data()), expected, 1e-6, 1e-5));
}

TEST(Activations, AreTheFunctionsOfTheirNames) {
  Module root;
  Array x = Array::from<float>({-1, 0, 2}, {1, 3});
  auto of = [&](const Layer& layer) { return doubles(layer(x).data()); };
  EXPECT_EQ(of(Relu(&root, "relu")), (std::vector<double>{0, 0, 2}));
  EXPECT_TRUE(close_to(of(Tanh(&root, "tanh")), {std::tanh(-1), 0, std::tanh(2)}, 1e-6, 0));
  EXPECT_TRUE(close_to(of(Sigmoid(&root, "sigmoid")),
                       {1 / (1 + std::exp(1)), 0.5, 1 / (1 + std::exp(-2))}, 1e-6, 0));
  double total = std::exp(-1) + 1 + std::exp(2);
  EXPECT_TRUE(close_to(of(Softmax(&root, "softmax", -1)),
                       {std::exp(-1) / total, 1 / total, std::exp(2) / total}, 1e-6, 0));
  EXPECT_TRUE(close_to(of(LogSoftmax(&root, "log_softmax", -1)),
                       {-1 - std::log(total), -std::log(total), 2 - std::log(total)}, 1e-6, 0));
  EXPECT_EQ(of(Softmax(&root, "rows", 0)), (std::vector<double>{1, 1, 1}));
}

}  // namespace
}  // namespace tessera::nn
