// What the table of op cases does not reach: running statistics, layouts, dtypes and errors of
// normalization, softmax and embedding.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

Array channels_last(const Array& x) {
  return x.permute({0, 2, 3, 1}).contiguous().permute({0, 3, 1, 2});
}

TEST(BatchNormOp, KeepsChannelsLast) {
  for (bool training : {false, true}) {
    Array plain = random_array({3, 5, 6, 7}, DType::f64);
    Tensor w(random_array({5}, DType::f64, 2), true);
    Tensor b(random_array({5}, DType::f64, 3), true);
    Array mean = random_array({5}, DType::f64, 4);
    Array var = random_array({5}, DType::f64, 5, 0.5, 2);
    Array dy = random_array(plain.shape(), DType::f64, 6);
    std::vector<std::vector<double>> results;
    for (const Array& layout : {plain, channels_last(plain)}) {
      Tensor x(layout, true);
      w.set_grad({});
      b.set_grad({});
      Tensor y = batch_norm(x, mean.clone(), var.clone(), w, b, training);
      EXPECT_EQ(y.data().strides(), layout.strides());
      y.backward(Tensor(dy));
      results.push_back(doubles(y.data()));
      for (const Tensor& leaf : {x, w, b}) results.push_back(doubles(leaf.grad().data()));
    }
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_TRUE(close_to(results[i], results[i + 4], 1e-12, 1e-12)) << i;
    }
  }
}

TEST(BatchNormOp, MovesTheRunningStatistics) {
  Array x = Array::from<float>({1, 3, 2, 10}, {2, 2});
  Array mean = Array::from<float>({1, 1}, {2});
  Array var = Array::from<float>({4, 4}, {2});
  batch_norm(Tensor(x), mean, var, {}, {}, true, 0.25);
  // Channel 0: 1 and 2, mean 1.5, unbiased variance 0.5; channel 1: 3 and 10, 6.5 and 24.5.
  EXPECT_TRUE(close_to(doubles(mean), {0.75 + 0.375, 0.75 + 1.625}, 1e-6, 0));
  EXPECT_TRUE(close_to(doubles(var), {3 + 0.125, 3 + 6.125}, 1e-6, 0));
  // Neither evaluation nor an empty batch moves them.
  Array before = mean.clone();
  batch_norm(Tensor(x), mean, var);
  batch_norm(Tensor(Array::zeros({0, 2})), mean, var, {}, {}, true);
  EXPECT_TRUE(same_bits(mean, before));
}

TEST(BatchNormOp, BackwardInEvaluationUsesTheStatisticsOfItsForward) {
  Tensor x(random_array({4, 2}, DType::f64), true);
  Array mean = random_array({2}, DType::f64, 2);
  Array var = random_array({2}, DType::f64, 3, 0.5, 2);
  Tensor y = batch_norm(x, mean, var);
  std::vector<double> rstd;
  for (double v : doubles(var)) rstd.push_back(1 / std::sqrt(v + 1e-5));
  var.fill_(100);
  sum(y).backward();
  std::vector<double> dx = doubles(x.grad().data());
  for (size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], rstd[i % 2], 1e-12);
}

TEST(BatchNormOp, RefusesWhatDoesNotFit) {
  Tensor x(random_array({1, 3}));
  EXPECT_EQ(error_of([&] { batch_norm(x, {}, {}, {}, {}, true); }),
            "[batch_norm] expected more than one value per channel in training, got x (1, 3)");
  EXPECT_EQ(error_of([&] { batch_norm(x, {}, {}); }),
            "[batch_norm] expected running statistics outside of training");
  EXPECT_EQ(error_of([&] { batch_norm(x, Array::zeros({3}), {}); }),
            "[batch_norm] expected both running statistics or none");
  EXPECT_EQ(error_of([&] { batch_norm(x, Array::zeros({2}), Array::zeros({3})); }),
            "[batch_norm] expected running statistics of shape (3,), got (2,)");
  EXPECT_EQ(error_of([&] { batch_norm(x, {}, {}, Array::zeros({2}), {}, true); }),
            "[batch_norm] expected weight and bias of shape (3,) for x (1, 3), got (2,)");
  EXPECT_EQ(error_of([&] { batch_norm(Tensor(random_array({3})), {}, {}, {}, {}, true); }),
            "[batch_norm] expected x (N, C, ...), got (3,)");
  EXPECT_EQ(error_of([&] {
              instance_norm(Tensor(random_array({2, 3, 1})));
            }),
            "[instance_norm] expected x (N, C, ...) with more than one position, got (2, 3, 1)");
}

TEST(InstanceNormOp, RunningStatisticsAreMeansOverSamples) {
  Array x = Array::from<float>({0, 2, 4, 8}, {2, 1, 2});
  Array mean = Array::zeros({1});
  Array var = Array::full({1}, 1);
  instance_norm(Tensor(x), mean, var, {}, {}, true, 0.5);
  // Means 1 and 6, unbiased variances 2 and 8.
  EXPECT_NEAR(mean.item<double>(), 0.5 * 3.5, 1e-6);
  EXPECT_NEAR(var.item<double>(), 0.5 + 0.5 * 5, 1e-6);
  Tensor y = instance_norm(Tensor(x), mean, var, {}, {}, false);
  EXPECT_NEAR(doubles(y.data())[0], -1.75 / std::sqrt(3 + 1e-5), 1e-5);
}

TEST(LayerNormOp, MixesF32WeightsWith16Bits) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    Tensor x(random_array({6, 40}).to(dtype), true);
    Tensor wide(x.data().to(DType::f32), true);
    Tensor w(random_array({40}, DType::f32, 2), true);
    Tensor same(w.data(), true);
    Tensor y = layer_norm(x, {40}, w);
    Tensor expected = layer_norm(wide, {40}, same);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_TRUE(same_bits(y.data(), expected.data().to(dtype)));
    Array dy = random_array({6, 40}, DType::f32, 3).to(dtype);
    y.backward(Tensor(dy));
    expected.backward(Tensor(dy.to(DType::f32)));
    EXPECT_TRUE(same_bits(x.grad().data(), wide.grad().data().to(dtype)));
    EXPECT_TRUE(same_bits(w.grad().data(), same.grad().data()));
  }
}

TEST(LayerNormOp, RefusesWhatDoesNotFit) {
  Tensor x(random_array({2, 3}));
  EXPECT_EQ(error_of([&] { layer_norm(x, {4}); }),
            "[layer_norm] expected x to end with the dims (4,), got (2, 3)");
  EXPECT_EQ(error_of([&] { layer_norm(x, Dims{}); }),
            "[layer_norm] expected x to end with the dims (), got (2, 3)");
  EXPECT_EQ(error_of([&] { layer_norm(x, {3}, Array::zeros({2})); }),
            "[layer_norm] expected weight and bias of the normalized dims (3,), got (2,)");
  EXPECT_EQ(error_of([&] { layer_norm(x, {3}, Array::zeros({3}, DType::f64)); }),
            "[layer_norm] expected weight and bias of x's dtype f32, got f64");
  EXPECT_EQ(rms_norm(x, {3}, Array::zeros({3}, DType::f64)).dtype(), DType::f32);
  EXPECT_TRUE(contains(error_of([&] { group_norm(x, 2); }), "[group_norm] "));
}

TEST(RmsNormOp, HasTheDtypesOwnEps) {
  Tensor x(Array::full({1, 4}, 1e-9, DType::f64));
  double expected = 1e-9 / std::sqrt(1e-18 + std::numeric_limits<double>::epsilon());
  EXPECT_NEAR(doubles(rms_norm(x, {4}).data())[0], expected, 1e-15);
}

TEST(SoftmaxOp, ConvertsToItsDtypeFirst) {
  Tensor whole(Array::from<int64_t>({0, 1, 2}, {3}));
  double total = 1 + std::exp(1) + std::exp(2);
  EXPECT_TRUE(close_to(doubles(softmax(whole, 0, DType::f64).data()),
                       {1 / total, std::exp(1) / total, std::exp(2) / total}, 1e-12, 0));
  Tensor half(random_array({3, 5}).to(DType::bf16), true);
  Tensor y = log_softmax(half, 1, DType::f32);
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_TRUE(same_bits(y.data(), log_softmax(half.data().to(DType::f32), 1).data()));
  sum(y).backward();
  EXPECT_EQ(half.grad().dtype(), DType::bf16);
  Array rounded = softmax(half.data().to(DType::f32), 1).data().to(DType::bf16);
  EXPECT_TRUE(same_bits(softmax(half, 1).data(), rounded));
}

TEST(SoftmaxOp, SpecialNumbersInAnyDim) {
  Array x = Array::from<float>({-INFINITY, NAN, -INFINITY, INFINITY, 1, 1, -INFINITY, 2}, {2, 4});
  for (const Tensor& y :
       {softmax(Tensor(x), 0), transpose(softmax(Tensor(x.transpose(0, 1)), 1), 0, 1)}) {
    std::vector<double> v = doubles(y.data());
    EXPECT_EQ(v[0], 0);
    EXPECT_EQ(v[4], 1);
    for (size_t i : {1, 5, 2, 6, 3}) EXPECT_TRUE(std::isnan(v[i])) << i;
  }
}

TEST(EmbeddingOp, ThePaddingRowGetsNoGradient) {
  Array at = Array::from<int64_t>({1, 0, 1, 3}, {2, 2});
  Tensor table(random_array({4, 3}, DType::f64), true);
  Tensor y = embedding(table, at, -3);
  EXPECT_EQ(y.shape(), (Dims{2, 2, 3}));
  EXPECT_TRUE(same_bits(y.data().select(0, 0).select(0, 0), table.data().select(0, 1)));
  sum(square(y)).backward({}, false, true);
  std::vector<double> grad = doubles(table.grad().data());
  std::vector<double> t = doubles(table.data());
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_NEAR(grad[i], i / 3 == 0 || i / 3 == 3 ? 2 * t[i] : 0, 1e-12);
  }
  // Neither has it a part in the gradient's gradient.
  Tensor first = table.grad();
  table.set_grad({});
  sum(square(first)).backward();
  grad = doubles(table.grad().data());
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_NEAR(grad[i], i / 3 == 0 || i / 3 == 3 ? 8 * t[i] : 0, 1e-12);
  }
}

TEST(EmbeddingOp, SumsGradientsOf16BitsInF32) {
  Tensor table(Array::full({2, 1}, 1, DType::bf16), true);
  // 300 ones: one by one in bf16 the sum would stop at 256.
  sum(to(embedding(table, Array::zeros({300}, DType::i32)), DType::f32)).backward();
  EXPECT_EQ(doubles(table.grad().data()), (std::vector<double>{300, 0}));
}

TEST(GroupNorm, OneValueInAGroupIsRefused) {
  EXPECT_EQ(error_of([] {
              group_norm(Tensor(Array::zeros({1, 4})), 4);
            }),
            "[group_norm] expected more than one value in a group, got 4 groups of x (1, 4)");
  EXPECT_EQ(error_of([] { group_norm(Tensor(Array::zeros({1, 4})), 2); }), "");
  EXPECT_EQ(error_of([] { group_norm(Tensor(Array::zeros({2, 4})), 4); }), "");
}

}  // namespace
}  // namespace tessera
