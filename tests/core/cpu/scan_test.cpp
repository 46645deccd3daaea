#include "core/kernels/scan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/kernels.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::kDTypes;
using test::random_array;
using test::same_bits;
using test::Values;

const ScanFamily& scan() { return kernels({}).scan(); }

// Lines alone and side by side, more than are walked together, and more than a tile.
const std::vector<Dims> kShapes{{1, 1, 1},     {3, 7, 1},    {2, 5, 3}, {2, 9, 300},
                                {1, 20000, 1}, {70, 300, 2}, {2, 0, 3}, {0, 3, 2}};

DType summed(DType dtype) { return is_floating(dtype) ? dtype : DType::i64; }

double tolerance(DType dtype) {
  if (dtype == DType::bf16) return 0x1p-8;
  if (dtype == DType::f16) return 0x1p-10;
  return dtype == DType::f32 ? 1e-6 : 1e-12;
}

// next(previous result, element, position) along each line, from the end if reverse.
Values each_line(const Array& x, bool reverse,
                 const std::function<double(double, double, size_t)>& next) {
  auto n = static_cast<size_t>(x.shape()[1]);
  auto inner = static_cast<size_t>(x.shape()[2]);
  Values in = doubles(x);
  Values out(in.size());
  for (size_t o = 0; o < static_cast<size_t>(x.shape()[0]) * inner; ++o) {
    double last = 0;
    for (size_t k = 0; k < n; ++k) {
      size_t i = o / inner * n * inner + (reverse ? n - 1 - k : k) * inner + o % inner;
      last = out[i] = next(last, in[i], k);
    }
  }
  return out;
}

Array run(const Array& x, DType dtype, const std::function<void(const Array&)>& kernel) {
  Array first;
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    Array out = Array::full(x.shape(), 77, dtype);
    kernel(out);
    if (!first.defined()) first = out;
    EXPECT_TRUE(same_bits(out, first)) << threads << " threads";
  }
  return first;
}

TEST(Scan, SumsAndProductsAgreeWithPlainLoopsForAllDtypes) {
  for (const Dims& shape : kShapes) {
    for (DType dtype : kDTypes) {
      // So few ones that 20000 numbers do not leave the range of f16.
      Array x = random_array(shape, DType::f32, 3, -1, 1.5).to(DType::i32).to(dtype);
      for (bool reverse : {false, true}) {
        SCOPED_TRACE(fmt::format("{} {} {}", shape, dtype, reverse));
        Array sums =
            run(x, summed(dtype), [&](const Array& out) { scan().cumsum(x, reverse, out); });
        auto add = [](double sum, double v, size_t) { return sum + v; };
        EXPECT_TRUE(close_to(doubles(sums), each_line(x, reverse, add), 0, tolerance(dtype)));
        Array factors =
            is_floating(dtype) ? random_array(shape, DType::f32, 4, 0.99, 1.01).to(dtype) : x;
        Array products = run(factors, summed(dtype),
                             [&](const Array& out) { scan().cumprod(factors, reverse, out); });
        auto times = [](double p, double v, size_t k) { return k == 0 ? v : p * v; };
        EXPECT_TRUE(close_to(doubles(products), each_line(factors, reverse, times), 0,
                             2 * tolerance(dtype)));
      }
    }
  }
}

// A million small steps, without the drift of a running sum in f32.
TEST(Scan, LongSumsOfF32DoNotDrift) {
  Array x = Array::full({1, 1000000, 1}, 0.1);
  Array out = Array::empty(x.shape());
  scan().cumsum(x, false, out);
  EXPECT_NEAR(out.data<float>()[999999], 100000, 0.02);
}

TEST(Scan, ExtremesAgreeWithPlainLoopsForAllDtypes) {
  for (const Dims& shape : kShapes) {
    for (DType dtype : kDTypes) {
      Array x = random_array(shape, DType::f32, 5, 0, 5).to(DType::i32).to(dtype);
      for (bool largest : {false, true}) {
        SCOPED_TRACE(fmt::format("{} {} {}", shape, dtype, largest));
        Array values = Array::empty(shape, dtype);
        Array indices = run(x, DType::i64,
                            [&](const Array& out) { scan().cumextreme(largest, x, values, out); });
        Values best = each_line(x, false, [&](double last, double v, size_t k) {
          return k == 0 || (largest ? v > last : v < last) ? v : last;
        });
        EXPECT_EQ(doubles(values), best);
        // The last element so far that equals the extreme.
        double extreme = 0;
        EXPECT_EQ(doubles(indices), each_line(x, false, [&](double last, double v, size_t k) {
                    bool wins = k == 0 || (largest ? v >= extreme : v <= extreme);
                    if (wins) extreme = v;
                    return wins ? static_cast<double>(k) : last;
                  }));
      }
    }
  }
}

TEST(Scan, ANanStaysTheExtreme) {
  Array x = Array::from(std::vector<float>{1, NAN, 5, NAN, 2}, {1, 5, 1});
  Array values = Array::empty(x.shape());
  Array indices = Array::empty(x.shape(), DType::i64);
  for (bool largest : {false, true}) {
    scan().cumextreme(largest, x, values, indices);
    EXPECT_TRUE(close_to(doubles(values), {1, NAN, NAN, NAN, NAN}, 0, 0));
    EXPECT_EQ(doubles(indices), (Values{0, 1, 1, 3, 3}));
  }
}

TEST(Scan, LogSumsAgreeWithPlainLoopsAndDoNotOverflow) {
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    for (const Dims& shape : kShapes) {
      Array x = random_array(shape, DType::f32, 6).to(dtype);
      Array out = run(x, dtype, [&](const Array& out) { scan().logcumsumexp(x, out, {}); });
      double rtol = std::max(2 * tolerance(dtype), dtype == DType::f32 ? 1e-4 : 0);
      if (shape[1] == 20000 && !is_floating(dtype)) continue;
      EXPECT_TRUE(close_to(doubles(out),
                           each_line(x, false,
                                     [](double last, double v, size_t k) {
                                       return k == 0 ? v : std::log(std::exp(last) + std::exp(v));
                                     }),
                           rtol, rtol))
          << fmt::format("{} {}", shape, dtype);
    }
  }
  Array x = Array::from(std::vector<float>{-INFINITY, -INFINITY, 1000, 1000, INFINITY, 0, NAN, 0},
                        {1, 8, 1});
  Array out = Array::empty(x.shape());
  scan().logcumsumexp(x, out, {});
  EXPECT_TRUE(close_to(
      doubles(out),
      {-INFINITY, -INFINITY, 1000, 1000 + std::log(2.0), INFINITY, INFINITY, NAN, NAN}, 0, 1e-6));
}

TEST(Scan, RecurrencesAgreeWithPlainLoops) {
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    for (const Dims& shape : kShapes) {
      Array a = random_array(shape, DType::f32, 7, -0.9, 0.9).to(dtype);
      Array b = random_array(shape, DType::f32, 8).to(dtype);
      for (bool reverse : {false, true}) {
        Array out = run(a, dtype, [&](const Array& out) { scan().recurrence(a, b, reverse, out); });
        // The terms come in the order in which the lines are walked.
        Values terms = doubles(b);
        auto n = static_cast<size_t>(shape[1]);
        auto inner = static_cast<size_t>(shape[2]);
        size_t at = 0;
        auto next = [&](double last, double factor, size_t k) {
          size_t o = at++ / n;
          size_t i = o / inner * n * inner + (reverse ? n - 1 - k : k) * inner + o % inner;
          return (k == 0 ? 0 : factor * last) + terms[i];
        };
        Values expected = each_line(a, reverse, next);
        EXPECT_TRUE(close_to(doubles(out), expected, 2 * tolerance(dtype), 2 * tolerance(dtype)))
            << fmt::format("{} {} {}", shape, dtype, reverse);
      }
    }
  }
}

}  // namespace
}  // namespace tessera
