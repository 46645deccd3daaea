// Moments, norms, logsumexps and scans of numbers at the ends of a dtype's range, far from zero, or
// very many: what comes out is right to the dtype's own precision, gradients too.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autograd/engine.h"
#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "core/allocator.h"
#include "tests/support/arrays.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;
using test::same_bits;
using test::Values;

Tensor leaf(const Values& values, DType dtype, Dims shape = {}) {
  return Tensor(test::floats(values, shape).data().to(dtype), true);
}

double item(const Tensor& x) { return x.item<double>(); }

// The gradient of x for the gradient dy of y, by kernels or, recorded, by Tensor functions.
Values grad_for(const Tensor& y, const Tensor& x, const Values& dy, bool recorded) {
  Tensor given(Array::from(dy, y.shape()).to(y.dtype()));
  return doubles(
      grad({y}, {x}, {given}, {.create_graph = recorded, .retain_graph = true})[0].data());
}

Values scaled(Values values, double by) {
  for (double& v : values) v *= by;
  return values;
}

// Powers of ten whose squares are not numbers of the dtype, and 1.
Values sizes(DType dtype) {
  return dtype == DType::f64 ? Values{1e-200, 1, 1e200} : Values{1e-30, 1, 1e30};
}

TEST(Range, DeviationsOfHugeAndTinyNumbers) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (double size : sizes(dtype)) {
      Tensor x = leaf(scaled({1, 2, 4}, size), dtype);
      EXPECT_NEAR(item(std(x)) / size, std::sqrt(7.0 / 3), 1e-6) << size;
      EXPECT_TRUE(close_to(scaled(doubles(norm(x).data()), 1 / size), {std::sqrt(21.0)}, 0, 1e-6));
      EXPECT_NEAR(item(norm(x, 3)) / size, std::cbrt(73.0), 1e-5) << size;
      EXPECT_NEAR(item(norm(x, -2)) / size, 1 / std::sqrt(1 + 0.25 + 0.0625), 1e-5) << size;
      // d std / dx = (x - mean) / (std (n - 1)), d norm / dx = x / norm
      double s = std::sqrt(7.0 / 3);
      for (bool recorded : {false, true}) {
        EXPECT_TRUE(close_to(grad_for(std(x), x, {1}, recorded),
                             {-4 / (6 * s), -1 / (6 * s), 5 / (6 * s)}, 1e-6, 1e-6));
        EXPECT_TRUE(close_to(grad_for(norm(x), x, {1}, recorded),
                             scaled({1, 2, 4}, 1 / std::sqrt(21.0)), 1e-6, 1e-6));
      }
    }
  }
  // A variance beyond the range is infinite, as its rounded value is.
  EXPECT_EQ(item(var(leaf({1e30, -1e30}, DType::f32))), HUGE_VAL);
  EXPECT_EQ(item(norm(leaf({0, 0, 0}, DType::f64))), 0);
  EXPECT_EQ(item(norm(leaf({0, 1, 2}, DType::f64), -1)), 0);
  EXPECT_TRUE(std::isnan(item(std(leaf({1, NAN, 2}, DType::f64)))));
  EXPECT_TRUE(std::isnan(item(norm(leaf({1e300, NAN}, DType::f64)))));
  EXPECT_EQ(item(norm(leaf({1e300, HUGE_VAL}, DType::f64))), HUGE_VAL);
}

// Lengths below the normal numbers have few digits, and those beyond the largest number none: the
// gradient does not divide by them.
TEST(Range, GradientsOfLengthsAtTheEndsOfTheRange) {
  struct Case {
    DType dtype;
    double size, digits;
  };
  const Case cases[] = {
      {DType::f32, 1.25e-40, 1e-6}, {DType::f32, 1.25e38, 1e-6},   {DType::f64, 1.25e-310, 1e-12},
      {DType::f64, 6e307, 1e-12},   {DType::f16, 0x1p-22, 0x1p-9}, {DType::f16, 24000, 0x1p-9},
  };
  for (const Case& c : cases) {
    // Beside the line in question a usual one, and one without a length.
    Values line{-2 * c.size, -2 * c.size, c.size, 2.5 * c.size};
    Values all = line;
    all.insert(all.end(), {1, 2, 3, 5, 0, 0, 0, 0});
    Tensor x = leaf(all, c.dtype, {3, 4});
    Tensor exact(x.data().to(DType::f64), true);
    // Of f64: a power of two away from the ends.
    Tensor up(Array::from(Values{c.size > 1 ? 0x1p-40 : 0x1p40, 1, 1}, {3, 1}));
    using Length = std::function<Tensor(const Tensor&)>;
    const Length lengths[] = {[](const Tensor& t) { return std(t, {1}); },
                              [](const Tensor& t) { return norm(t, 2, {1}); },
                              [](const Tensor& t) { return norm(t, 3, {1}); }};
    for (const Length& length : lengths) {
      Values expected = grad_for(length(exact * up), exact, {1, 1, 1}, false);
      for (size_t i = 0; i < 4; ++i) expected[i] /= doubles(up.data())[0];
      for (bool recorded : {false, true}) {
        EXPECT_TRUE(close_to(grad_for(length(x), x, {1, 1, 1}, recorded), expected, c.digits, 0))
            << c.size;
      }
    }
  }
}

TEST(Range, MeansAreWithinTheRangeOfTheirTerms) {
  for (DType dtype : {DType::f32, DType::f64}) {
    double huge = dtype == DType::f64 ? 1.5e308 : 3e38;
    Tensor x = leaf({huge, huge, huge, -huge, 1, 2}, dtype, {3, 2});
    for (bool keepdim : {false, true}) {
      Values means = doubles(mean(x, {1}, keepdim).data());
      EXPECT_TRUE(close_to(means, {huge, 0, 1.5}, 0, 1e-6));
    }
    EXPECT_TRUE(
        close_to(grad_for(mean(x, {1}), x, {1, 2, 4}, false), {0.5, 0.5, 1, 1, 2, 2}, 0, 0));
  }
  EXPECT_EQ(item(mean(leaf({HUGE_VAL, 1}, DType::f32))), HUGE_VAL);
  EXPECT_TRUE(std::isnan(item(mean(leaf({HUGE_VAL, -HUGE_VAL}, DType::f32)))));
}

TEST(Range, VariancesFarFromZero) {
  // Every other number of a float about 1e7, and of a double about 1e16.
  const Values apart{0, 2, 3, 1, 4, 2, 0, 3, 1, 4};  // their variance is 20 / 9
  for (DType dtype : {DType::f32, DType::f64}) {
    double far = dtype == DType::f32 ? 1e7 : 1e16;
    double step = dtype == DType::f32 ? 1 : 2;
    Values values;
    for (double v : apart) values.push_back(far + step * v);
    for (const Dims& shape : {Dims{10}, Dims{10, 1}, Dims{1, 10}}) {
      Tensor x = leaf(values, dtype, shape);
      EXPECT_NEAR(item(var(x)), step * step * 20.0 / 9, 1e-6 * step);
      Values expected;
      for (double v : apart) expected.push_back(2 * step * (v - 2) / 9);
      EXPECT_TRUE(close_to(grad_for(var(x), x, {1}, false), expected, 1e-6, 1e-6));
    }
  }
  // Side by side, in 16 bits, and a number of every row that no f32 mean has.
  Tensor x(random_array({3000, 3}, DType::f32, 1, 0, 4), true);
  Tensor moved = x + 4096;
  Tensor expected = var(to(moved, DType::f64), {0});
  EXPECT_TRUE(close_to(doubles(var(moved, {0}).data()), doubles(expected.data()), 0, 1e-6));
}

TEST(Range, EqualNumbersDoNotDeviate) {
  for (DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    for (double value : {0.1, 14.7, 123456.789, -3e-7}) {
      for (int64_t n : {3, 7, 10, 1000}) {
        Tensor x(Array::full({2, n}, value, dtype), true);
        Tensor y = std(x, {1});
        EXPECT_EQ(doubles(y.data()), (Values{0, 0})) << value << ' ' << n;
        EXPECT_EQ(doubles(var(x, {1}).data()), (Values{0, 0})) << value << ' ' << n;
        Values zeros(static_cast<size_t>(2 * n), 0);
        EXPECT_EQ(grad_for(y, x, {1, 1}, false), zeros);
      }
    }
  }
}

TEST(Range, NormalizationsOfHugeAndTinyRows) {
  double a = std::sqrt(1.5);
  for (DType dtype : {DType::f32, DType::f64}) {
    for (double size : sizes(dtype)) {
      Tensor x = leaf(scaled({1, 2, 3, 3, 2, 1}, size), dtype, {2, 3});
      Tensor ones(Array::full({3}, 1, dtype));
      Values expected{-a, 0, a, a, 0, -a};
      EXPECT_TRUE(close_to(doubles(layer_norm(x, {3}, {}, {}, 0).data()), expected, 1e-6, 1e-6));
      EXPECT_TRUE(close_to(doubles(layer_norm(x, {3}, ones, ones, 0).data()),
                           {1 - a, 1, 1 + a, 1 + a, 1, 1 - a}, 1e-6, 1e-6));
      double root = std::sqrt(14.0 / 3);
      EXPECT_TRUE(close_to(doubles(rms_norm(x, {3}, {}, 0).data()),
                           {1 / root, 2 / root, 3 / root, 3 / root, 2 / root, 1 / root}, 1e-6,
                           1e-6));
      Tensor samples = reshape(x, {2, 1, 3});
      EXPECT_TRUE(
          close_to(doubles(group_norm(samples, 1, {}, {}, 0).data()), expected, 1e-6, 1e-6));
      EXPECT_TRUE(close_to(doubles(instance_norm(samples, {}, {}, {}, {}, true, 0.1, 0).data()),
                           expected, 1e-6, 1e-6));
      // Channels in columns and in planes.
      Tensor columns = transpose(x, 0, 1);
      Values across{-a, a, 0, 0, a, -a};
      EXPECT_TRUE(close_to(doubles(batch_norm(columns, {}, {}, {}, {}, true, 0.1, 0).data()),
                           across, 1e-6, 1e-6));
      Tensor planes = reshape(x, {1, 2, 3});
      EXPECT_TRUE(close_to(doubles(batch_norm(planes, {}, {}, {}, {}, true, 0.1, 0).data()),
                           expected, 1e-6, 1e-6));
    }
  }
}

// The gradient for dy is that of ordinary rows over the size.
TEST(Range, GradientsOfNormalizationsOfHugeAndTinyRows) {
  const Values dy{1, -2, 0.5, 0.25, 3, -1};
  using Norm = Tensor (*)(const Tensor&);
  const Norm norms[] = {
      [](const Tensor& x) { return layer_norm(x, {3}, {}, {}, 0); },
      [](const Tensor& x) { return rms_norm(x, {3}, {}, 0); },
      [](const Tensor& x) { return batch_norm(x, {}, {}, {}, {}, true, 0.1, 0); },
  };
  for (Norm fn : norms) {
    for (bool recorded : {false, true}) {
      for (DType dtype : {DType::f32, DType::f64}) {
        Tensor plain = leaf({1, 2, 4, 3, 2, -1}, DType::f64, {2, 3});
        Values expected = grad_for(fn(plain), plain, dy, recorded);
        for (double size : sizes(dtype)) {
          Tensor x = leaf(scaled({1, 2, 4, 3, 2, -1}, size), dtype, {2, 3});
          EXPECT_TRUE(
              close_to(scaled(grad_for(fn(x), x, dy, recorded), size), expected, 1e-5, 1e-5))
              << size << ' ' << recorded;
        }
      }
    }
  }
}

TEST(Range, NormalizationsFarFromZero) {
  const Values apart{0, 2, 3, 1, 4, 2, 0, 3, 1, 4, 7, 5};
  const Values dy{1, -2, 0.5, 0.25, 3, -1, 2, 0, 1, 1, -3, 0.125};
  using Norm = Tensor (*)(const Tensor&);
  const Norm norms[] = {
      [](const Tensor& x) { return layer_norm(x, {6}, {}, {}, 1e-5); },
      [](const Tensor& x) { return batch_norm(transpose(x, 0, 1), {}, {}, {}, {}, true, 0.1); },
      [](const Tensor& x) {
        return batch_norm(reshape(x, {1, 2, 6}), {}, {}, {}, {}, true, 0.1);
      },
  };
  for (Norm fn : norms) {
    Tensor plain = leaf(apart, DType::f64, {2, 6});
    Values expected = doubles(fn(plain).data());
    for (double far : {1e5, 1e7}) {
      Values moved;
      for (double v : apart) moved.push_back(far + v);
      Tensor x = leaf(moved, DType::f32, {2, 6});
      Tensor y = fn(x);
      EXPECT_TRUE(close_to(doubles(y.data()), expected, 1e-5, 1e-5)) << far;
      for (bool recorded : {false, true}) {
        EXPECT_TRUE(close_to(grad_for(y, x, dy, recorded), grad_for(fn(plain), plain, dy, recorded),
                             1e-5, 1e-5))
            << far << ' ' << recorded;
      }
    }
  }
}

TEST(Range, NormalizationsOfConstantsAreZero) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (double value : {14.7, 123456.789, -0.3, 0.1}) {
      for (double eps : {1e-12, 1e-5}) {
        Tensor x(Array::full({5, 7}, value, dtype));
        Values zeros(35, 0);
        EXPECT_EQ(doubles(layer_norm(x, {7}, {}, {}, eps).data()), zeros) << value;
        EXPECT_EQ(doubles(batch_norm(x, {}, {}, {}, {}, true, 0.1, eps).data()), zeros) << value;
        Tensor planes(Array::full({5, 1, 7}, value, dtype));
        EXPECT_EQ(doubles(batch_norm(planes, {}, {}, {}, {}, true, 0.1, eps).data()), zeros);
        EXPECT_EQ(doubles(instance_norm(planes, {}, {}, {}, {}, true, 0.1, eps).data()), zeros);
        EXPECT_EQ(doubles(group_norm(planes, 1, {}, {}, eps).data()), zeros);
      }
    }
  }
}

TEST(Range, ProbabilitiesOfLargeScores) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (double far : dtype == DType::f32 ? Values{100, 1e4, 1e8, -1e8} : Values{1e8, 1e17}) {
      Tensor x = leaf({far, far}, dtype, {1, 2});
      Tensor target(Array::from<int64_t>({0}, {1}));
      for (bool recorded : {false, true}) {
        EXPECT_TRUE(
            close_to(grad_for(cross_entropy(x, target), x, {1}, recorded), {-0.5, 0.5}, 1e-6, 1e-6))
            << far;
        EXPECT_TRUE(close_to(grad_for(logsumexp(x, {1}), x, {1}, recorded), {0.5, 0.5}, 1e-6, 1e-6))
            << far;
        EXPECT_TRUE(
            close_to(grad_for(logcumsumexp(x, 1), x, {1, 1}, recorded), {1.5, 0.5}, 1e-6, 1e-6))
            << far;
      }
    }
  }
  // Apart by what f32 can just tell at 1e4.
  Tensor x = leaf({1e4, 1e4 + 0.5, 1e4 - 1}, DType::f32, {1, 3});
  Tensor near = leaf({0, 0.5, -1}, DType::f64, {1, 3});
  Tensor target(Array::from<int64_t>({2}, {1}));
  EXPECT_TRUE(close_to(grad_for(cross_entropy(x, target), x, {1}, false),
                       grad_for(cross_entropy(near, target), near, {1}, false), 1e-6, 1e-6));
}

TEST(Range, SecondGradientsAreOfTheSharesOfLargeScores) {
  for (double far : {0.0, 1e6}) {
    Tensor x = leaf({far, far + 1, far - 1}, DType::f64);
    Tensor y = logsumexp(x);
    Tensor first = grad({y}, {x}, {}, {.create_graph = true})[0];
    Values second = doubles(grad({select(first, 0, 0)}, {x})[0].data());
    double total = 1 + std::exp(1.0) + std::exp(-1.0);
    double p = 1 / total;
    EXPECT_TRUE(close_to(
        second, {p - p * p, -p * std::exp(1.0) / total, -p * std::exp(-1.0) / total}, 1e-8, 1e-8));
  }
}

// All scores are equal and large: each of T queries takes 1 / t of the values before it.
TEST(Range, AttentionWithLargeScores) {
  constexpr int64_t kTokens = 3;
  Array qkv = Array::empty({1, kTokens, 3});
  qkv.slice(2, 0, 1).fill_(3000);
  qkv.slice(2, 1, 2).fill_(1000);
  qkv.slice(2, 2, 3).copy_(Array::from<float>({3, -1, 2}, {1, kTokens, 1}));
  Tensor x(qkv, true);
  Tensor wide(qkv.to(DType::f64), true);
  Values dy{1, 0.5, -2};
  Values expected = grad_for(self_attention(wide, 1, true), wide, dy, false);
  for (bool recorded : {false, true}) {
    EXPECT_TRUE(
        close_to(grad_for(self_attention(x, 1, true), x, dy, recorded), expected, 1e-3, 1e-5));
  }
  // The values get 1 + 1/4 - 2/3 and so on, whatever the scores' size.
  EXPECT_NEAR(expected[2], 1 + 0.25 - 2.0 / 3, 1e-12);
  EXPECT_NEAR(expected[8], -2.0 / 3, 1e-12);
}

TEST(Range, TinySharesAreNotZero) {
  Tensor x = leaf({0, -88.5, -95, -103, -110}, DType::f32, {1, 5});
  Values y = doubles(softmax(x, 1).data());
  for (size_t i = 1; i < 4; ++i) {
    double e = std::exp(doubles(x.data())[i]);
    EXPECT_NEAR(y[i], e, e * 1e-5 + 0x1p-150) << i;
  }
  EXPECT_EQ(y[4], 0);
  // Along the first dim, many of them, and in f64.
  Tensor turned = transpose(x, 0, 1).detach();
  EXPECT_EQ(doubles(softmax(turned, 0).data()), y);
  Tensor many(Array::full({1, 67}, -89), true);
  many.data().slice(1, 0, 1).fill_(0);
  EXPECT_NEAR(doubles(softmax(many, 1).data())[66], std::exp(-89), 0x1p-149);
  Tensor wide = leaf({0, -720, -745}, DType::f64, {1, 3});
  Values small = doubles(softmax(wide, 1).data());
  EXPECT_NEAR(small[1], std::exp(-720), 0x1p-1073);
  EXPECT_EQ(small[2], std::exp(-745.0));
  // Functions of one number.
  Tensor far(Array::full({33}, -100, DType::f32));
  for (double v : doubles(sigmoid(far).data())) EXPECT_NEAR(v, std::exp(-100), 0x1p-149);
  for (double v : doubles(exp(far).data())) EXPECT_NEAR(v, std::exp(-100), 0x1p-149);
  for (double v : doubles(silu(far).data())) EXPECT_NEAR(v, -100 * std::exp(-100), 0x1p-142);
}

TEST(Range, LongScans) {
  constexpr int64_t kLong = 4'000'000;
  Tensor zeros(Array::zeros({kLong}), true);
  Tensor y = logcumsumexp(zeros, 0);
  EXPECT_NEAR(item(select(y, 0, -1)), std::log(4e6), 2e-6);
  // d y[n - 1] / dx[k] = 1 / n
  Values dx = doubles(grad({select(y, 0, -1)}, {zeros})[0].data());
  EXPECT_NEAR(dx.front() * 4e6, 1, 1e-6);
  EXPECT_NEAR(dx.back() * 4e6, 1, 1e-6);
  for (DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    int64_t n = 20000;
    Tensor ones(Array::full({n}, 1, dtype));
    double total = item(select(logcumsumexp(ones, 0), 0, -1));
    EXPECT_NEAR(total, 1 + std::log(20000.0), total * (dtype == DType::bf16 ? 0x1p-8 : 1e-3));
  }
  Tensor a(Array::full({2'000'000}, 1), true);
  Tensor b(Array::full({2'000'000}, 0.1), true);
  Tensor r = linear_recurrence(a, b, 0);
  EXPECT_NEAR(item(select(r, 0, -1)), 2e5, 0.02);
  // db[0] = the number of steps that carry b[0] on, times 0.1.
  Tensor tenth(Array::full({2'000'000}, 0.1));
  EXPECT_NEAR(doubles(grad({r}, {b}, {tenth})[0].data()).front(), 2e5, 0.02);
  Tensor steps(Array::full({20'000'000}, 1, DType::bf16));
  EXPECT_NEAR(item(select(cumsum(steps, 0), 0, -1)), 2e7, 2e7 * 0x1p-8);
}

// Rows and channels of every kind side by side: which way each takes depends on its numbers alone.
TEST(Range, BitsDoNotDependOnTheNumberOfThreads) {
  Array data = random_array({300, 70}, DType::f32, 5);
  for (int64_t i = 0; i < 300; i += 3) {
    Array row = data.select(0, i);
    row.copy_((Tensor(row) * (i % 2 == 0 ? 1e30 : 1e-30)).data());
    Array next = data.select(0, i + 1);
    next.copy_((Tensor(next) + 1e7).data());
  }
  Tensor target(Array::zeros({300}, DType::i64));
  using Function = std::function<Tensor(const Tensor&)>;
  const Function functions[] = {
      [](const Tensor& x) { return layer_norm(x, {70}); },
      [](const Tensor& x) { return batch_norm(transpose(x, 0, 1), {}, {}, {}, {}, true); },
      [](const Tensor& x) {
        return instance_norm(reshape(x, {1, 300, 70}));
      },
      [](const Tensor& x) { return std(x, {1}); },
      [](const Tensor& x) { return norm(x, 2, {1}); },
      [](const Tensor& x) { return logsumexp(x, {1}); },
      [](const Tensor& x) { return logcumsumexp(x, 1); },
      [&](const Tensor& x) { return cross_entropy(x, target, Reduction::none); },
  };
  for (const Function& fn : functions) {
    Array first;
    Array first_grad;
    for (int threads : test::kThreadCounts) {
      test::Threads guard(threads);
      Tensor x(data, true);
      Tensor y = fn(x);
      Array dx = grad({y}, {x}, {Tensor(Array::full(y.shape(), 0.5))})[0].data();
      if (threads == 1) {
        first = y.data();
        first_grad = dx;
      }
      EXPECT_TRUE(same_bits(y.data(), first)) << threads;
      EXPECT_TRUE(same_bits(dx, first_grad)) << threads;
    }
  }
}

TEST(Range, ReductionsOfRepeatedElementsCopyNothing) {
  constexpr int64_t kTimes = int64_t{1} << 22;
  for (DType dtype : {DType::i64, DType::f32, DType::bf16, DType::f64}) {
    Array few = Array::from<double>({1, 2, 4}, {3, 1}).to(dtype);
    Tensor x(few.expand({3, kTimes}));
    allocator::reset_peak();
    int64_t before = allocator::stats().peak_bytes;
    EXPECT_EQ(item(sum(x)), 7.0 * kTimes);
    EXPECT_EQ(doubles(sum(x, {1}).data()), scaled({1, 2, 4}, kTimes));
    EXPECT_EQ(item(max(x)), 4);
    EXPECT_EQ(doubles(argmax(x, 1).data()), (Values{0, 0, 0}));
    EXPECT_EQ(item(argmax(x)), 2.0 * kTimes);
    EXPECT_TRUE(item(all(x)) == 1);
    EXPECT_EQ(item(count_nonzero(x)), 3.0 * kTimes);
    if (is_floating(dtype)) {
      EXPECT_NEAR(item(mean(x, {}, false, DType::f32)), 7.0 / 3, 1e-6);
      EXPECT_NEAR(item(std(x, {}, 0)), std::sqrt(14.0 / 9), 0.01);
      EXPECT_EQ(doubles(amin(x, {1}).data()), (Values{1, 2, 4}));
      EXPECT_NEAR(item(logsumexp(x, {1, 0})),
                  std::log(kTimes * (std::exp(1) + std::exp(2) + std::exp(4))), 0.1);
    }
    EXPECT_LT(allocator::stats().peak_bytes - before, 8 << 20) << fmt::format("{}", dtype);
  }
}

// Whatever the layout, the bits are those of a copy.
TEST(Range, ReductionsOfRepeatedElementsHaveTheBitsOfACopy) {
  Array base = random_array({5, 1, 70, 1}, DType::f32, 3);
  for (const Dims& shape : {Dims{5, 300, 70, 3}, Dims{5, 2, 70, 1000}}) {
    Array view = base.expand(shape);
    for (const Array& x : {view, view.permute({3, 0, 2, 1}), view.transpose(0, 1)}) {
      Tensor repeated(x);
      Tensor copied(x.clone());
      for (const Dims& dims : {Dims{0}, Dims{1, 2}, Dims{3}, Dims{0, 2}, Dims{}}) {
        EXPECT_TRUE(same_bits(sum(repeated, dims).data(), sum(copied, dims).data()));
        EXPECT_TRUE(same_bits(var(repeated, dims).data(), var(copied, dims).data()));
        EXPECT_TRUE(same_bits(norm(repeated, 2, dims).data(), norm(copied, 2, dims).data()));
        EXPECT_TRUE(same_bits(prod(repeated, dims).data(), prod(copied, dims).data()));
        EXPECT_TRUE(same_bits(amax(repeated, dims).data(), amax(copied, dims).data()));
      }
      EXPECT_TRUE(same_bits(argmin(repeated, 1).data(), argmin(copied, 1).data()));
      EXPECT_TRUE(same_bits(mean(repeated, {}, false, DType::f64).data(),
                            mean(copied, {}, false, DType::f64).data()));
    }
  }
}

}  // namespace
}  // namespace tessera
