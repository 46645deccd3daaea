#include "nn/layers/activation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops/reduce.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

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

TEST(Activations, PassTheirOptionsOn) {
  Module root;
  Array x = random_array({4, 6}, DType::f32, 1, -4, 4);
  auto same = [&](const Layer& layer, const Tensor& expected) {
    return test::same_bits(layer(x).data(), expected.data());
  };
  EXPECT_TRUE(same(Relu6(&root, "relu6"), relu6(x)));
  EXPECT_TRUE(same(Selu(&root, "selu"), selu(x)));
  EXPECT_TRUE(same(Silu(&root, "silu"), silu(x)));
  EXPECT_TRUE(same(Mish(&root, "mish"), mish(x)));
  EXPECT_TRUE(same(Hardswish(&root, "hardswish"), hardswish(x)));
  EXPECT_TRUE(same(Hardsigmoid(&root, "hardsigmoid"), hardsigmoid(x)));
  EXPECT_TRUE(same(Softsign(&root, "softsign"), softsign(x)));
  EXPECT_TRUE(same(Tanhshrink(&root, "tanhshrink"), tanhshrink(x)));
  EXPECT_TRUE(same(Hardshrink(&root, "hardshrink", 0.7), hardshrink(x, 0.7)));
  EXPECT_TRUE(same(Softshrink(&root, "softshrink", 0.7), softshrink(x, 0.7)));
  EXPECT_TRUE(same(Threshold(&root, "threshold", 0.3, -2), threshold(x, 0.3, -2)));
  EXPECT_TRUE(same(LogSigmoid(&root, "logsigmoid"), logsigmoid(x)));
  EXPECT_TRUE(same(Gelu(&root, "gelu", tessera::Gelu::tanh), gelu(x, tessera::Gelu::tanh)));
  EXPECT_TRUE(same(LeakyRelu(&root, "leaky_relu", 0.3), leaky_relu(x, 0.3)));
  EXPECT_TRUE(same(Elu(&root, "elu", 0.7), elu(x, 0.7)));
  EXPECT_TRUE(same(Celu(&root, "celu", 0.7), celu(x, 0.7)));
  EXPECT_TRUE(same(Softplus(&root, "softplus", 2, 1), softplus(x, 2, 1)));
  EXPECT_TRUE(same(Hardtanh(&root, "hardtanh", -2, 3), hardtanh(x, -2, 3)));
  EXPECT_TRUE(same(Glu(&root, "glu", 0), glu(x, 0)));
}

TEST(Prelu, LearnsOneSlopeAChannel) {
  Module root;
  Prelu layer(&root, "prelu", 3, 0.5);
  Tensor y = layer(Array::from<float>({-1, 2, -3}, {1, 3}));
  EXPECT_EQ(doubles(y.data()), (std::vector<double>{-0.5, 2, -1.5}));
  sum(y).backward();
  EXPECT_EQ(doubles(layer.weight.grad().data()), (std::vector<double>{-1, 0, -3}));
  EXPECT_EQ(test::error_of([&] { Prelu(&root, "none", 0); }),
            "[Prelu] expected at least 1 channel, got 0");
}

}  // namespace
}  // namespace tessera::nn
