// What the table of op cases does not reach: options, edges and errors of losses.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/engine.h"
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

Array integers(const std::vector<int64_t>& values, const Dims& shape) {
  return Array::from(values, shape);
}

// Logits whose softmax is (1/2, 1/4, 1/4) and (1/8, 1/8, 3/4).
Tensor known_logits() {
  std::vector<double> p{0.5, 0.25, 0.25, 0.125, 0.125, 0.75};
  for (double& x : p) x = std::log(x) + 3;
  return Tensor(Array::from(p, {2, 3}), true);
}

TEST(CrossEntropyLoss, WeighsClassesAndTheirMean) {
  Tensor x = known_logits();
  Tensor w(Array::from<double>({1, 2, 3}, {3}));
  Array t = integers({0, 2}, {2});
  double first = std::log(2);
  double second = 3 * std::log(4.0 / 3);
  auto value = [&](const CrossEntropyOptions& o) { return doubles(cross_entropy(x, t, o).data()); };
  EXPECT_TRUE(
      close_to(value({.reduction = Reduction::none, .weight = w}), {first, second}, 1e-12, 0));
  EXPECT_TRUE(close_to(value({.weight = w}), {(first + second) / 4}, 1e-12, 0));
}

TEST(CrossEntropyLoss, SmoothsOverWeightedClasses) {
  Tensor x = known_logits();
  Tensor w(Array::from<double>({1, 2, 3}, {3}));
  // 0.7 w[t] (-log p[t]) + 0.1 sum of w (-log p), for target 0.
  double all = std::log(2) + 2 * std::log(4) + 3 * std::log(4);
  double expected = 0.7 * std::log(2) + 0.1 * all;
  Tensor losses =
      cross_entropy(x, integers({0, 2}, {2}),
                    {.reduction = Reduction::none, .weight = w, .label_smoothing = 0.3});
  EXPECT_NEAR(doubles(losses.data())[0], expected, 1e-12);
  // A row of probabilities that is the smoothed target gives the same without weights.
  Tensor row = slice(x, 0, 0, 1);
  Tensor smoothed = cross_entropy(row, integers({0}, {1}), {.label_smoothing = 0.3});
  Tensor given = cross_entropy(row, Array::from<double>({0.8, 0.1, 0.1}, {1, 3}));
  EXPECT_NEAR(smoothed.item<double>(), given.item<double>(), 1e-12);
}

TEST(CrossEntropyLoss, IgnoredPlacesHaveNoLossAndNoGradient) {
  Tensor x = known_logits();
  x.data().select(0, 1).fill_(NAN);  // nothing of an ignored row is read
  Tensor loss = cross_entropy(x, integers({0, -100}, {2}));
  EXPECT_NEAR(loss.item<double>(), std::log(2), 1e-12);
  loss.backward();
  EXPECT_TRUE(close_to(doubles(x.grad().data()), {-0.5, 0.25, 0.25, 0, 0, 0}, 1e-12, 0));
  // The index of a class can be the ignored one.
  EXPECT_NEAR(cross_entropy(x, integers({0, 2}, {2}), {.ignore_index = 2}).item<double>(),
              std::log(2), 1e-12);
  // A mean over nothing is not a number, a sum is zero.
  Array none = integers({-100, -100}, {2});
  EXPECT_TRUE(std::isnan(cross_entropy(x, none).item<double>()));
  EXPECT_EQ(cross_entropy(x, none, Reduction::sum).item<double>(), 0);
}

TEST(CrossEntropyLoss, TakesClassesFromDimOne) {
  Tensor x(random_array({2, 3, 4, 5}, DType::f64));
  Array t = Array::zeros({2, 4, 5}, DType::i64);
  for (int64_t i = 0; i < 5; ++i) t.select(2, i).fill_(static_cast<double>(i % 3));
  Tensor losses = cross_entropy(x, t, Reduction::none);
  EXPECT_EQ(losses.shape(), (Dims{2, 4, 5}));
  for (int64_t i = 0; i < 5; ++i) {
    Tensor one = select(select(x, 3, i), 2, 1);
    Tensor expected = cross_entropy(one, integers({i % 3, i % 3}, {2}), Reduction::none);
    EXPECT_TRUE(close_to(doubles(losses.data().select(2, i).select(1, 1)), doubles(expected.data()),
                         1e-12, 0));
  }
}

TEST(CrossEntropyLoss, Computes16BitsInF32) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    Tensor x(random_array({20, 50}).to(dtype), true);
    Tensor wide(x.data().to(DType::f32), true);
    Array t = Array::arange(20);
    Tensor loss = cross_entropy(x, t);
    Tensor expected = cross_entropy(wide, t);
    EXPECT_TRUE(same_bits(loss.data(), expected.data().to(dtype)));
    loss.backward();
    expected.backward();
    EXPECT_TRUE(same_bits(x.grad().data(), wide.grad().data().to(dtype)));
  }
}

TEST(CrossEntropyLoss, RefusesWhatDoesNotFit) {
  Tensor x(random_array({4, 3}));
  auto error = [&](const Tensor& target, const CrossEntropyOptions& options = {}) {
    return error_of([&] { cross_entropy(x, target, options); });
  };
  EXPECT_EQ(error(Tensor(integers({0, 1, 2}, {3}))),
            "[cross_entropy] expected indices of shape (4,) for x (4, 3), got (3,)");
  EXPECT_EQ(error(Tensor(Array::zeros({4}))),
            "[cross_entropy] expected classes of i64 and shape (4,), or probabilities of x's shape "
            "(4, 3), got f32 (4,)");
  EXPECT_EQ(error(Tensor(Array::zeros({4}, DType::i32))),
            "[cross_entropy] expected indices of i64, got i32");
  Tensor t(integers({0, 1, 3, 0}, {4}));
  EXPECT_EQ(error(t), "[cross_entropy] expected a target in [0, 3), got 3 in row 2");
  Tensor good(integers({0, 1, 2, 0}, {4}));
  EXPECT_EQ(error(good, {.weight = Tensor(Array::zeros({4}))}),
            "[cross_entropy] expected weights of shape (3,) for x (4, 3), got (4,)");
  EXPECT_EQ(error(good, {.label_smoothing = 1.5}),
            "[cross_entropy] expected a label_smoothing in [0, 1], got 1.5");
  EXPECT_TRUE(contains(error(good, {.reduction = Reduction::batch_mean}), "[cross_entropy] "));
  EXPECT_EQ(error_of([&] { cross_entropy(Tensor(Array::scalar(1)), good); }),
            "[cross_entropy] expected x (C,), (N, C) or (N, C, ...), got ()");
}

TEST(NllLoss, OfLogSoftmaxIsCrossEntropy) {
  Tensor x(random_array({6, 5, 2}, DType::f64), true);
  Array t = Array::arange(12).view({6, 2});
  for (int64_t i = 0; i < 6; ++i) t.select(0, i).fill_(static_cast<double>(i % 5));
  Tensor w(random_array({5}, DType::f64, 3, 0.5, 2));
  for (Reduction reduction : {Reduction::none, Reduction::sum, Reduction::mean}) {
    Tensor a =
        nll_loss(log_softmax(x, 1), t, {.reduction = reduction, .weight = w, .ignore_index = 3});
    Tensor b = cross_entropy(x, t, {.reduction = reduction, .weight = w, .ignore_index = 3});
    EXPECT_EQ(a.shape(), b.shape());
    EXPECT_TRUE(close_to(doubles(a.data()), doubles(b.data()), 1e-12, 1e-12));
  }
  EXPECT_EQ(error_of([&] {
              nll_loss(x, integers(std::vector<int64_t>(12, 5), {6, 2}));
            }),
            "[nll_loss] expected a target in [0, 5), got 5 in row 0");
}

TEST(BinaryCrossEntropy, CutsItsLogarithmsOff) {
  Tensor x(Array::from<double>({0, 1, 0, 1}, {4}), true);
  Tensor t(Array::from<double>({0, 1, 1, 0}, {4}));
  Tensor losses = binary_cross_entropy(x, t, {}, Reduction::none);
  EXPECT_EQ(doubles(losses.data()), (std::vector<double>{0, 0, 100, 100}));
  sum(losses).backward();
  EXPECT_EQ(doubles(x.grad().data()), (std::vector<double>{0, 0, -1e12, 1e12}));
  EXPECT_EQ(
      error_of([&] { binary_cross_entropy(Tensor(Array::full({2}, 1.5)), Array::zeros({2})); }),
      "[binary_cross_entropy] expected x in [0, 1], got something else at 0 of (2,)");
  EXPECT_EQ(error_of([&] { binary_cross_entropy(x, Array::zeros({1}, DType::f64)); }),
            "[binary_cross_entropy] expected a target of x's shape (4,), got (1,)");
}

TEST(BinaryCrossEntropy, WithLogitsIsThatOfTheSigmoid) {
  Tensor x(random_array({3, 4}, DType::f64, 1, -3, 3));
  Tensor t(random_array({3, 4}, DType::f64, 2, 0, 1));
  Tensor w(random_array({4}, DType::f64, 3, 0, 1));
  Tensor p(random_array({4}, DType::f64, 4, 0.5, 3));
  Tensor plain = binary_cross_entropy(sigmoid(x), t, w);
  EXPECT_NEAR(binary_cross_entropy_with_logits(x, t, w).item<double>(), plain.item<double>(),
              1e-12);
  Tensor s = sigmoid(x);
  Tensor expected = mean(neg(p * t * log(s) + (1 - t) * log(1 - s)));
  EXPECT_NEAR(binary_cross_entropy_with_logits(x, t, {}, p).item<double>(), expected.item<double>(),
              1e-12);
  // Far out nothing overflows.
  Tensor far(Array::from<float>({1000, -1000}, {2}));
  Tensor swapped(Array::from<float>({0, 1}, {2}));
  EXPECT_EQ(binary_cross_entropy_with_logits(far, swapped).item<double>(), 1000);
}

TEST(KlDiv, ZeroTargetsGiveNothing) {
  Tensor x(Array::from<double>({std::log(0.5), std::log(0.25), -INFINITY}, {1, 3}));
  Tensor t(Array::from<double>({0.25, 0, 0.75}, {1, 3}));
  std::vector<double> losses = doubles(kl_div(x, t, Reduction::none).data());
  EXPECT_NEAR(losses[0], 0.25 * std::log(0.5), 1e-12);
  EXPECT_EQ(losses[1], 0);
  EXPECT_EQ(losses[2], INFINITY);
  Tensor two(random_array({2, 3}, DType::f64, 1, -2, -1));
  Tensor q(random_array({2, 3}, DType::f64, 2, 0.1, 1));
  EXPECT_NEAR(kl_div(two, q, Reduction::batch_mean).item<double>(),
              kl_div(two, q, Reduction::sum).item<double>() / 2, 1e-12);
}

TEST(DistanceLosses, BroadcastPromoteAndKeepNaN) {
  Tensor x(Array::from<float>({1, 2, NAN, 4}, {2, 2}));
  Tensor t(Array::from<double>({1, 1}, {2}));
  Tensor losses = mse_loss(x, t, Reduction::none);
  EXPECT_EQ(losses.dtype(), DType::f64);
  std::vector<double> values = doubles(losses.data());
  EXPECT_EQ(values[1], 1);
  EXPECT_TRUE(std::isnan(values[2]));
  EXPECT_EQ(values[3], 9);
  Tensor half(Array::full({3}, 2, DType::bf16), true);
  Tensor loss = l1_loss(half, Array::zeros({3}, DType::bf16));
  EXPECT_EQ(loss.dtype(), DType::bf16);
  EXPECT_EQ(loss.item<double>(), 2);
  loss.backward();
  EXPECT_EQ(half.grad().dtype(), DType::bf16);
  EXPECT_EQ(smooth_l1_loss(half, Array::zeros({3}), Reduction::mean, 0).item<double>(), 2);
  EXPECT_EQ(error_of([&] { huber_loss(half, half, Reduction::mean, 0); }),
            "[huber_loss] expected a delta above 0, got 0");
  EXPECT_EQ(error_of([&] { smooth_l1_loss(half, half, Reduction::mean, -1); }),
            "[smooth_l1_loss] expected a beta of at least 0, got -1");
  EXPECT_TRUE(std::isnan(mse_loss(Tensor(Array::zeros({0})), Array::zeros({0})).item<double>()));
}

TEST(NllLoss, IgnoredRowsAreLeftOut) {
  constexpr double kInf = HUGE_VAL;
  Tensor x(Array::from<double>({-kInf, 0, -0.1, -2}, {2, 2}), true);
  Tensor loss = nll_loss(x, integers({-100, 1}, {2}));
  EXPECT_EQ(loss.item<double>(), 2);
  loss.backward();
  EXPECT_EQ(doubles(x.grad().data()), (std::vector<double>{0, 0, 0, -1}));
  Tensor none = nll_loss(x, integers({-100, 1}, {2}), {.reduction = Reduction::none});
  EXPECT_EQ(doubles(none.data()), (std::vector<double>{0, 2}));
}

TEST(NllLoss, AMeanOverNothingHasNoGradient) {
  for (bool graph : {false, true}) {
    Tensor x(Array::from<double>({0, 1, 2, 3}, {2, 2}), true);
    Array ignored = integers({-100, -100}, {2});
    for (const Tensor& loss : {nll_loss(x, ignored), cross_entropy(x, ignored)}) {
      EXPECT_TRUE(std::isnan(loss.item<double>()));
      Tensor dx = grad({loss}, {x}, {}, {.create_graph = graph})[0];
      EXPECT_EQ(doubles(dx.data()), std::vector<double>(4, 0));
    }
  }
}

TEST(CrossEntropyLoss, TheRecordedGradientLeavesIgnoredRowsOut) {
  Tensor x(Array::from<double>({NAN, HUGE_VAL, 0, 0}, {2, 2}), true);
  Tensor loss = cross_entropy(x, integers({-100, 1}, {2}));
  EXPECT_NEAR(loss.item<double>(), std::log(2), 1e-15);
  Tensor dx = grad({loss}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(doubles(dx.data()), (std::vector<double>{0, 0, 0.5, -0.5}));
  Tensor second = grad({sum(square(dx))}, {x})[0];
  EXPECT_EQ(doubles(slice(second, 0, 0, 1).data()), (std::vector<double>{0, 0}));
}

TEST(BinaryCrossEntropyWithLogits, KeepsTheDigitsOfSmallLosses) {
  // sigmoid(-20), against which 1 - sigmoid(20) has no digits in f32.
  const double tiny = 2.0611536181902037e-9;
  for (bool graph : {false, true}) {
    Tensor x(Array::from<float>({-20, 20, 0}, {3}), true);
    Array t = Array::from<float>({0, 1, 1}, {3});
    Tensor losses = binary_cross_entropy_with_logits(x, t, {}, {}, Reduction::none);
    EXPECT_TRUE(close_to(doubles(losses.data()), {tiny, tiny, std::log(2)}, 0, 1e-6));
    Tensor dx = grad({sum(losses)}, {x}, {}, {.create_graph = graph})[0];
    EXPECT_TRUE(close_to(doubles(dx.data()), {tiny, -tiny, -0.5}, 0, 1e-6));
  }
  // With a weight of positives: p and its gradient.
  Tensor x(Array::from<double>({20, -1}, {2}), true);
  Tensor t(Array::from<double>({1, 0.5}, {2}), true);
  Tensor p(Array::from<double>({3}, {1}), true);
  sum(binary_cross_entropy_with_logits(x, t, {}, p, Reduction::none)).backward();
  double s = 1 / (1 + std::exp(1.0));
  double dx1 = 0.5 * s - 0.5 * 3 * (1 - s);
  EXPECT_TRUE(close_to(doubles(x.grad().data()), {-3 * tiny, dx1}, 0, 1e-9));
  double log_s = std::log(s);
  double log_no = std::log(1 - s);
  EXPECT_TRUE(
      close_to(doubles(t.grad().data()), {-20 - tiny + 3 * tiny, log_no - 3 * log_s}, 0, 1e-12));
  EXPECT_TRUE(close_to(doubles(p.grad().data()), {tiny - 0.5 * log_s}, 0, 1e-12));
}

TEST(DistanceLosses, AreCurvedWhereXIsTheTarget) {
  auto second = [](auto loss, std::vector<double> at) {
    auto n = static_cast<int64_t>(at.size());
    Tensor x(Array::from(at, {n}), true);
    Tensor dx = grad({loss(x, Array::zeros({n}, DType::f64))}, {x}, {}, {.create_graph = true})[0];
    return doubles(grad({sum(dx)}, {x})[0].data());
  };
  EXPECT_EQ(second([](const Tensor& x,
                      const Tensor& t) { return smooth_l1_loss(x, t, Reduction::sum, 0.5); },
                   {0, 0.25, -0.25, 2, -2}),
            (std::vector<double>{2, 2, 2, 0, 0}));
  EXPECT_EQ(
      second([](const Tensor& x, const Tensor& t) { return huber_loss(x, t, Reduction::sum, 0.5); },
             {0, 0.25, -0.25, 2, -2}),
      (std::vector<double>{1, 1, 1, 0, 0}));
  Tensor far(Array::from<double>({HUGE_VAL, -HUGE_VAL}, {2}), true);
  huber_loss(far, Array::zeros({2}, DType::f64), Reduction::sum).backward();
  EXPECT_EQ(doubles(far.grad().data()), (std::vector<double>{1, -1}));
}

TEST(KlDiv, ATargetOfZeroCountsForNothingButHasASlope) {
  Tensor x(Array::from<double>({-1, -HUGE_VAL, -2}, {3}), true);
  Tensor t(Array::from<double>({0, 0, 1}, {3}), true);
  Tensor losses = kl_div(x, t, Reduction::none);
  EXPECT_EQ(doubles(losses.data()), (std::vector<double>{0, 0, 2}));
  sum(losses).backward();
  EXPECT_EQ(doubles(x.grad().data()), (std::vector<double>{0, 0, -1}));
  EXPECT_EQ(doubles(t.grad().data())[0], -HUGE_VAL);
  EXPECT_EQ(doubles(t.grad().data())[2], 3);
}

TEST(BinaryCrossEntropy, AWeightBroadcastsToTheLosses) {
  Tensor x(Array::full({3}, 0.5));
  Tensor wide = ones({2, 3});
  EXPECT_EQ(error_of([&] { binary_cross_entropy(x, ones({3}), wide); }),
            "[binary_cross_entropy] expected a weight that broadcasts to (3,), got shape (2, 3)");
  EXPECT_EQ(error_of([&] { binary_cross_entropy_with_logits(x, ones({3}), wide); }),
            "[binary_cross_entropy_with_logits] expected a weight that broadcasts to (3,), got "
            "shape (2, 3)");
  EXPECT_EQ(error_of([&] { binary_cross_entropy_with_logits(x, ones({3}), {}, wide); }),
            "[binary_cross_entropy_with_logits] expected a pos_weight that broadcasts to (3,), got "
            "shape (2, 3)");
  EXPECT_EQ(error_of([&] { binary_cross_entropy(x, ones({3}), ones({1})); }), "");
}

}  // namespace
}  // namespace tessera
