#include "autograd/ops/linear_cross_entropy.h"

#include <gtest/gtest.h>

#include "autograd/checkpoint.h"
#include "autograd/engine.h"
#include "autograd/ops.h"
#include "autograd/ops/normalize_common.h"
#include "core/allocator.h"
#include "core/kernels/matmul.h"
#include "core/meta/counters.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::error_of;
using test::random_array;
using test::same_bits;

struct HeadCase {
  int64_t rows, in, classes;
  bool bias = false;
  DType dtype = DType::f32;
  Reduction reduction = Reduction::sum;
  double smoothing = 0;
  bool weights = false;
  double slope = 1;         // the gradient of the loss
  bool transposed = false;  // x and weight have their columns side by side
};

struct HeadInputs {
  std::vector<Tensor> leaves;  // x, weight, bias
  Array targets;
  CrossEntropyOptions options;

  explicit HeadInputs(const HeadCase& c) {
    auto leaf = [&](const Dims& shape, uint64_t seed, double size) {
      Array x = random_array(shape, DType::f32, seed, -size, size).to(c.dtype);
      if (c.transposed && x.dim() == 2) x = x.transpose(0, 1).contiguous().transpose(0, 1);
      leaves.emplace_back(x, true);
    };
    leaf({c.rows, c.in}, 1, 1);
    leaf({c.classes, c.in}, 2, 1);
    if (c.bias) leaf({c.classes}, 3, 1);
    std::vector<int64_t> at;
    for (int64_t i = 0; i < c.rows; ++i) at.push_back(i % 7 == 3 ? -100 : i * 7919 % c.classes);
    targets = Array::from(at, {c.rows});
    options.reduction = c.reduction;
    options.label_smoothing = c.smoothing;
    if (c.weights) options.weight = Tensor(random_array({c.classes}, DType::f32, 4, 0.5, 2));
  }
  Tensor bias() const { return leaves.size() > 2 ? leaves[2] : Tensor(); }
};

// The loss and the gradients.
using Results = std::vector<Array>;

Results results_of(const HeadCase& c, const HeadInputs& in, const Tensor& loss) {
  Tensor dy = Array::full(loss.shape(), c.slope, loss.dtype());
  if (c.reduction == Reduction::none)
    dy = random_array(loss.shape(), DType::f32, 5).to(loss.dtype());
  Results out{loss.data()};
  for (const Tensor& g : grad({loss}, in.leaves, {dy})) out.push_back(g.data());
  return out;
}

Results in_one(const HeadCase& c, const HeadInputs& in) {
  return results_of(c, in,
                    linear_cross_entropy(in.leaves[0], in.leaves[1], in.bias(), in.targets,
                                         in.options, compute_dtype_of(c.dtype)));
}

Results apart(const HeadCase& c, const HeadInputs& in) {
  Tensor logits = linear(in.leaves[0], in.leaves[1], in.bias());
  return results_of(c, in,
                    cross_entropy(to(logits, compute_dtype_of(c.dtype)), in.targets, in.options));
}

std::ostream& operator<<(std::ostream& out, const HeadCase& c) {
  return out << c.rows << " x " << c.in << " x " << c.classes << ' ' << name(c.dtype)
             << (c.bias ? " bias" : "") << (c.transposed ? " transposed" : "") << " slope "
             << c.slope << " reduction " << static_cast<int>(c.reduction);
}

void expect_same_bits(const HeadCase& c) {
  HeadInputs in(c);
  Results expected = apart(c, in);
  Results got = in_one(c, in);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].dtype(), expected[i].dtype());
    EXPECT_TRUE(same_bits(got[i], expected[i])) << c << ", result " << i;
  }
}

TEST(LinearCrossEntropy, HasTheBitsOfTheTwoApart) {
  constexpr auto kMean = Reduction::mean;
  constexpr auto kNone = Reduction::none;
  const HeadCase cases[] = {
      // Of one piece, and of few classes.
      {.rows = 5, .in = 3, .classes = 7, .bias = true, .reduction = kMean},
      {.rows = 512, .in = 8, .classes = kWide},
      {.rows = 700, .in = 40, .classes = 600, .bias = true, .smoothing = 0.1},
      // Of several.
      {.rows = 513, .in = 1, .classes = kWide},
      {.rows = 513, .in = 24, .classes = kWide + 3, .bias = true},
      {.rows = 1024, .in = 64, .classes = kWide},
      {.rows = 1100, .in = 130, .classes = 20011, .bias = true, .smoothing = 0.1, .weights = true},
      {.rows = 2200, .in = 20, .classes = kWide + 1, .bias = true, .reduction = kMean},
      {.rows = 600, .in = 33, .classes = kWide, .reduction = kMean, .weights = true},
      {.rows = 600, .in = 33, .classes = kWide, .bias = true, .reduction = kNone},
      {.rows = 600, .in = 33, .classes = kWide, .bias = true, .slope = 0.37},
      {.rows = 600, .in = 16, .classes = kWide, .transposed = true},
      {.rows = kWide + 5, .in = 1, .classes = kWide},
      {.rows = 600, .in = 9, .classes = kWide, .bias = true, .dtype = DType::f64},
  };
  for (const HeadCase& c : cases) expect_same_bits(c);
}

TEST(LinearCrossEntropy, HasTheBitsOfTheTwoApartInSixteenBits) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    expect_same_bits({.rows = 600, .in = 40, .classes = kWide + 5, .bias = true, .dtype = dtype});
    expect_same_bits({.rows = 1600,
                      .in = 12,
                      .classes = kWide,
                      .bias = true,
                      .dtype = dtype,
                      .reduction = Reduction::mean,
                      .smoothing = 0.1,
                      .slope = 3});
  }
  expect_same_bits(
      {.rows = 600, .in = 24, .classes = kWide, .dtype = DType::bf16, .transposed = true});
}

TEST(LinearCrossEntropy, GivesTheSameBitsForAnyNumberOfThreads) {
  const HeadCase c{.rows = 700, .in = 33, .classes = kWide + 1, .bias = true};
  HeadInputs in(c);
  Results expected;
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    Results got = in_one(c, in);
    if (expected.empty()) expected = got;
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same_bits(got[i], expected[i])) << threads;
  }
}

TEST(LinearCrossEntropy, IsMadeAgainInsideOfACheckpoint) {
  const HeadCase c{.rows = 600, .in = 5, .classes = kWide, .bias = true};
  HeadInputs in(c);
  Tensor loss = checkpoint(
      [&](const Tensor& x) {
        return linear_cross_entropy(x, in.leaves[1], in.bias(), in.targets, in.options);
      },
      in.leaves[0]);
  Results got = results_of(c, in, loss);
  Results expected = apart(c, in);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same_bits(got[i], expected[i])) << i;
}

TEST(LinearCrossEntropy, GivesItsGradientsMoreThanOnce) {
  const HeadCase c{.rows = 600, .in = 5, .classes = kWide};
  HeadInputs in(c);
  Tensor loss = linear_cross_entropy(in.leaves[0], in.leaves[1], {}, in.targets, in.options);
  std::vector<Tensor> first = grad({loss}, in.leaves, {}, {.retain_graph = true});
  std::vector<Tensor> second = grad({loss}, {in.leaves[1]});
  EXPECT_TRUE(same_bits(first[1].data(), second[0].data()));
}

TEST(LinearCrossEntropy, CanBeDifferentiatedTwice) {
  const HeadCase c{.rows = 600, .in = 3, .classes = kWide, .bias = true};
  HeadInputs in(c);
  auto curvature = [&](const Tensor& loss) {
    std::vector<Tensor> slopes = grad({loss}, in.leaves, {}, {.create_graph = true});
    Tensor size = sum(slopes[0] * slopes[0]) + sum(slopes[1] * slopes[1]);
    return grad({size}, in.leaves);
  };
  Tensor one = linear_cross_entropy(in.leaves[0], in.leaves[1], in.bias(), in.targets, in.options);
  std::vector<Tensor> got = curvature(one);
  std::vector<Tensor> expected = curvature(
      cross_entropy(linear(in.leaves[0], in.leaves[1], in.bias()), in.targets, in.options));
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(
        test::close_to(test::doubles(got[i].data()), test::doubles(expected[i].data()), 1e-4, 1e-4))
        << i;
  }
}

TEST(LinearCrossEntropy, NeverHoldsAllLogits) {
  const HeadCase c{.rows = 4096, .in = 8, .classes = kWide};
  HeadInputs in(c);
  constexpr int64_t kLogitsOfAPiece = kWidePiece * kWide * 4;
  int64_t before = allocator::stats().current_bytes;
  allocator::reset_peak();
  in_one(c, in);
  int64_t peak = allocator::stats().peak_bytes - before;
  EXPECT_GE(peak, kLogitsOfAPiece);
  EXPECT_LT(peak, kLogitsOfAPiece * 3 / 2);
}

// What a plan of a large model goes through.
TEST(LinearCrossEntropy, HoldsAPieceOfALargeVocabularyOnMeta) {
  Device there{DeviceType::meta};
  constexpr int64_t kRows = 4096;
  constexpr int64_t kClasses = 131072;
  constexpr int64_t kWidth = 1024;
  Tensor x(Array::empty({kRows, kWidth}, DType::f32, there), true);
  Tensor weight(Array::empty({kClasses, kWidth}, DType::f32, there), true);
  Tensor targets(Array::empty({kRows}, DType::i64, there));
  meta::reset();
  int64_t before = meta::stats().current_bytes;
  linear_cross_entropy(x, weight, {}, targets).backward();
  meta::Stats now = meta::stats();
  constexpr int64_t kGradients = (kRows + kClasses) * kWidth * 4;
  EXPECT_LT(now.peak_bytes - before, kGradients + kWidePiece * kClasses * 4 + (8 << 20));
  EXPECT_EQ(now.flops, 6.0 * kRows * kClasses * kWidth);
}

TEST(LinearCrossEntropy, RefusesWhatDoesNotFit) {
  auto refusal = [](const Dims& x, const Dims& weight, const Dims& bias, const Array& targets) {
    return error_of([&] {
      linear_cross_entropy(Array::zeros(x), Array::zeros(weight), Array::zeros(bias), targets);
    });
  };
  Array two = Array::from(std::vector<int64_t>{0, 4}, {2});
  EXPECT_EQ(refusal({2, 3}, {4, 2}, {4}, two),
            "[linear_cross_entropy] expected x (..., in) and weight (classes, in), got (2, 3) and "
            "(4, 2)");
  EXPECT_EQ(refusal({2, 3}, {4, 3}, {3}, two),
            "[linear_cross_entropy] expected a bias of (4,) and f32, got (3,) and f32");
  EXPECT_EQ(refusal({3, 3}, {4, 3}, {4}, two),
            "[linear_cross_entropy] expected targets of i64 and (3,), the leading shape of x "
            "(3, 3), got i64 (2,)");
  EXPECT_EQ(refusal({2, 3}, {4, 3}, {4}, two),
            "[linear_cross_entropy] expected a target in [0, 4), got 4 in row 1");
}

}  // namespace
}  // namespace tessera
