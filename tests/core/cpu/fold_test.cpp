#include "core/kernels/fold.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/kernels.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::kDTypes;
using test::kFloating;
using test::random_array;
using test::same_bits;
using test::Values;

const FoldFamily& fold() { return kernels({}).fold(); }

// Around the lanes of a line, the blocks of a line and the blocks and tiles of columns.
const std::vector<Dims> kShapes{{1, 1, 1},     {3, 2, 1}, {2, 31, 1}, {2, 33, 1},   {2, 16384, 1},
                                {1, 40001, 1}, {3, 1, 5}, {2, 5, 3},  {2, 511, 33}, {1, 1200, 40},
                                {2, 67, 1030}, {0, 3, 2}, {2, 3, 0}};

// Small whole numbers with many ties, which every dtype holds and whose sums are exact.
Array whole_numbers(const Dims& shape, DType dtype, uint64_t seed = 1) {
  return random_array(shape, DType::f32, seed, 0, 4).to(DType::i32).to(dtype);
}

DType summed(DType dtype) { return is_floating(dtype) ? dtype : DType::i64; }

// fn on each line of (outer, n, inner).
Values each_line(const Array& x, const std::function<double(const Values&)>& fn) {
  auto n = static_cast<size_t>(x.shape()[1]);
  auto inner = static_cast<size_t>(x.shape()[2]);
  Values in = doubles(x);
  Values out;
  for (size_t o = 0; o < static_cast<size_t>(x.shape()[0]) * inner; ++o) {
    Values line;
    for (size_t i = 0; i < n; ++i)
      line.push_back(in[o / inner * n * inner + i * inner + o % inner]);
    out.push_back(fn(line));
  }
  return out;
}

// The result of kernel(out) for every number of threads, which all must give the same bits.
Array run(const Array& x, DType dtype, const std::function<void(const Array&)>& kernel) {
  Array first;
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    Array out = Array::full({x.shape()[0], x.shape()[2]}, 77, dtype);
    kernel(out);
    if (!first.defined()) first = out;
    EXPECT_TRUE(same_bits(out, first)) << threads << " threads";
  }
  return first;
}

double count(const Values& line) {
  return static_cast<double>(
      std::count_if(line.begin(), line.end(), [](double x) { return x != 0; }));
}
double sum(const Values& line) {
  double out = 0;
  for (double x : line) out += x;
  return out;
}

struct FoldCase {
  FoldOp op;
  DType (*result)(DType);
  double (*reference)(const Values&);
};

TEST(Fold, AgreesWithPlainLoopsForAllDtypes) {
  const FoldCase cases[] = {
      {FoldOp::sum, summed, sum},
      {FoldOp::nansum, summed, sum},
      {FoldOp::min, [](DType d) { return d; },
       [](const Values& line) { return *std::min_element(line.begin(), line.end()); }},
      {FoldOp::max, [](DType d) { return d; },
       [](const Values& line) { return *std::max_element(line.begin(), line.end()); }},
      {FoldOp::any, [](DType) { return DType::boolean; },
       [](const Values& line) { return count(line) > 0 ? 1.0 : 0.0; }},
      {FoldOp::all, [](DType) { return DType::boolean; },
       [](const Values& line) {
         return count(line) == static_cast<double>(line.size()) ? 1.0 : 0.0;
       }},
      {FoldOp::count_nonzero, [](DType) { return DType::i64; }, count},
  };
  for (const Dims& shape : kShapes) {
    for (DType dtype : kDTypes) {
      Array x = whole_numbers(shape, dtype);
      for (const FoldCase& c : cases) {
        SCOPED_TRACE(fmt::format("{} {} op {}", shape, dtype, static_cast<int>(c.op)));
        Array out = run(x, c.result(dtype), [&](const Array& out) { fold().run(c.op, x, out); });
        // The sum of many is rounded once.
        double rtol = dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f16 ? 0x1p-11 : 0;
        EXPECT_TRUE(close_to(doubles(out), each_line(x, c.reference), 0, rtol));
      }
    }
  }
}

TEST(Fold, ProductsAgreeWithPlainLoops) {
  for (DType dtype : kDTypes) {
    for (const Dims& shape : {Dims{2, 5, 1}, Dims{2, 4, 3}, Dims{1, 40, 1}, Dims{2, 0, 3}}) {
      Array x = is_floating(dtype) ? random_array(shape, DType::f32, 3, 0.75, 1.25).to(dtype)
                                   : whole_numbers(shape, dtype);
      Array out =
          run(x, summed(dtype), [&](const Array& out) { fold().run(FoldOp::prod, x, out); });
      Values expected = each_line(x, [](const Values& line) {
        double product = 1;
        for (double v : line) product *= v;
        return product;
      });
      double rtol = dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f16 ? 0x1p-10 : 1e-5;
      EXPECT_TRUE(close_to(doubles(out), expected, 0, rtol)) << fmt::format("{} {}", shape, dtype);
    }
  }
}

TEST(Fold, IntegersWrapAround) {
  Array x = Array::from(std::vector<int64_t>{INT64_MAX, 1, INT64_MAX, 2}, {2, 2, 1});
  Array out = Array::empty({2, 1}, DType::i64);
  fold().run(FoldOp::sum, x, out);
  EXPECT_EQ(out.to_vector<int64_t>(), (std::vector<int64_t>{INT64_MIN, INT64_MIN + 1}));
  fold().run(FoldOp::prod, x, out);
  EXPECT_EQ(out.to_vector<int64_t>(), (std::vector<int64_t>{INT64_MAX, -2}));
}

TEST(Fold, NothingGivesTheNeutralElement) {
  Array x = Array::empty({2, 0, 2});
  for (auto [op, expected] :
       {std::pair{FoldOp::sum, 0.0}, {FoldOp::nansum, 0.0}, {FoldOp::prod, 1.0}}) {
    Array out = Array::full({2, 2}, 77);
    fold().run(op, x, out);
    EXPECT_EQ(doubles(out), Values(4, expected));
  }
  for (auto [op, expected] : {std::pair{FoldOp::any, 0.0}, {FoldOp::all, 1.0}}) {
    Array out = Array::empty({2, 2}, DType::boolean);
    fold().run(op, x, out);
    EXPECT_EQ(doubles(out), Values(4, expected));
  }
  Array out = Array::full({2, 2}, 77);
  fold().log_sum_exp(x, out, {});
  EXPECT_EQ(doubles(out), Values(4, -INFINITY));
}

// A NaN at every place of lines short and long.
TEST(Fold, FindsANanAnywhere) {
  for (DType dtype : kFloating) {
    for (int64_t n : {1, 7, 33, 64, 100, 16385}) {
      for (int64_t at : {int64_t{0}, n / 3, n - 1}) {
        for (int64_t inner : {1, 3}) {
          Array x = random_array({1, n, inner}, DType::f32, 9).to(dtype);
          x.select(2, inner - 1).select(1, at).fill_(NAN);
          Array out = Array::empty({1, inner}, dtype);
          for (FoldOp op : {FoldOp::min, FoldOp::max, FoldOp::sum, FoldOp::prod}) {
            fold().run(op, x, out);
            EXPECT_TRUE(std::isnan(doubles(out).back())) << fmt::format("{} {} {}", n, at, inner);
            EXPECT_EQ(std::isnan(doubles(out)[0]), inner == 1);
          }
          fold().run(FoldOp::nansum, x, out);
          EXPECT_FALSE(std::isnan(doubles(out).back()));
          Array where = Array::empty({1, inner}, DType::i64);
          fold().arg(true, x, out, where);
          EXPECT_EQ(doubles(where).back(), static_cast<double>(at));
          EXPECT_TRUE(std::isnan(doubles(out).back()));
        }
      }
    }
  }
}

TEST(Fold, ArgGivesTheFirstOfEqualElementsForAllDtypes) {
  for (const Dims& shape : kShapes) {
    for (DType dtype : kDTypes) {
      Array x = whole_numbers(shape, dtype, 5);
      for (bool largest : {false, true}) {
        SCOPED_TRACE(fmt::format("{} {} {}", shape, dtype, largest));
        Array values = Array::empty({shape[0], shape[2]}, dtype);
        Array indices =
            run(x, DType::i64, [&](const Array& out) { fold().arg(largest, x, values, out); });
        auto find = [&](const Values& line) {
          return largest ? std::max_element(line.begin(), line.end())
                         : std::min_element(line.begin(), line.end());
        };
        EXPECT_EQ(doubles(values), each_line(x, [&](const Values& line) { return *find(line); }));
        EXPECT_EQ(doubles(indices), each_line(x, [&](const Values& line) {
                    return static_cast<double>(find(line) - line.begin());
                  }));
      }
    }
  }
}

TEST(Fold, ArgTakesInfinities) {
  Array x = Array::full({2, 5, 1}, -INFINITY);
  Array value = Array::empty({2, 1});
  Array index = Array::empty({2, 1}, DType::i64);
  fold().arg(true, x, value, index);
  EXPECT_EQ(doubles(value), Values(2, -INFINITY));
  EXPECT_EQ(doubles(index), Values(2, 0));
}

TEST(Fold, NormsAgreeWithPlainLoops) {
  for (DType dtype : kFloating) {
    double rtol = dtype == DType::f64 ? 1e-12 : dtype == DType::f32 ? 1e-5 : 0x1p-7;
    for (double p : {0.0, 0.5, 1.0, 2.0, 3.0, -1.0, double{INFINITY}, -double{INFINITY}}) {
      for (const Dims& shape : {Dims{2, 40, 1}, Dims{2, 7, 5}, Dims{1, 20000, 1}}) {
        Array x = random_array(shape, DType::f32, 4, 0.25, 2).to(dtype);
        // A large power of so many overflows f16.
        if (dtype == DType::f16 && shape[1] == 20000) continue;
        Array out = run(x, dtype, [&](const Array& out) { fold().norm(p, x, out); });
        Values expected = each_line(x, [&](const Values& line) {
          if (p == 0) return count(line);
          if (std::isinf(p)) {
            return p > 0 ? *std::max_element(line.begin(), line.end())
                         : *std::min_element(line.begin(), line.end());
          }
          double sum = 0;
          for (double v : line) sum += std::pow(std::abs(v), p);
          return std::pow(sum, 1 / p);
        });
        EXPECT_TRUE(close_to(doubles(out), expected, 0, rtol))
            << fmt::format("{} {} {}", p, shape, dtype);
      }
    }
  }
}

TEST(Fold, VariancesAndLogSumExpAgreeWithPlainLoops) {
  for (DType dtype : kFloating) {
    double rtol = dtype == DType::f64 ? 1e-12 : dtype == DType::f32 ? 1e-5 : 0x1p-7;
    for (const Dims& shape : kShapes) {
      if (shape[0] == 0) continue;
      Array x = random_array(shape, DType::f32, 6).to(dtype);
      Array out;
      for (bool root : {false, true}) {
        out = run(x, dtype, [&](const Array& out) { fold().variance(x, 3, root, out); });
        Values expected = each_line(x, [root](const Values& line) {
          double mean = 0;
          for (double v : line) mean += v / static_cast<double>(line.size());
          double sum = 0;
          for (double v : line) sum += (v - mean) * (v - mean);
          return root ? std::sqrt(sum / 3) : sum / 3;
        });
        // One element has no variance, and the plain mean rounds.
        EXPECT_TRUE(close_to(doubles(out), expected, 1e-30, rtol));
      }
      out = run(x, dtype, [&](const Array& out) { fold().log_sum_exp(x, out, {}); });
      EXPECT_TRUE(close_to(doubles(out),
                           each_line(x,
                                     [](const Values& line) {
                                       double sum = 0;
                                       for (double v : line) sum += std::exp(v);
                                       return std::log(sum);
                                     }),
                           rtol, rtol));
    }
  }
}

TEST(Fold, LogSumExpDoesNotOverflow) {
  Array x = Array::from(std::vector<float>{1000, 1000, -INFINITY, -INFINITY, INFINITY, 0, NAN, 0},
                        {4, 2, 1});
  Array out = Array::empty({4, 1});
  fold().log_sum_exp(x, out, {});
  EXPECT_TRUE(close_to(doubles(out), {1000 + std::log(2.0), -INFINITY, INFINITY, NAN}, 0, 1e-6));
}

TEST(Fold, LogSumExpKeepsWhatRoundingTook) {
  Array x = Array::from<double>({1e17, 1e17, 1, 1}, {2, 2, 1});
  for (DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    Array out = Array::empty({2, 1}, dtype);
    Array rest = Array::empty({2, 1}, dtype);
    fold().log_sum_exp(x.to(dtype), out, rest);
    Values parts = doubles(rest);
    EXPECT_NEAR(parts[0], std::log(2.0), 1e-2) << fmt::format("{}", dtype);
    // In 16 bits the second one rounds as well.
    EXPECT_NEAR(doubles(out)[1] + parts[1], 1 + std::log(2.0), 1e-4) << fmt::format("{}", dtype);
    EXPECT_EQ(parts[1] != 0, dtype == DType::bf16) << fmt::format("{}", dtype);
  }
}

// Elements in other layouts are read in their order: the bits are those of a copy.
TEST(Fold, ReadsAnyStrides) {
  Array base = random_array({2, 1, 50, 1, 3}, DType::f32, 9).expand({2, 700, 50, 11, 3});
  // As (outer, n, inner): lines in one block and in several, and columns.
  const Dims kOutputs[] = {{1400, 1}, {2, 1}, {1, 33}, {1400, 33}, {2, 3}, {1, 1}};
  for (const Dims& outputs : kOutputs) {
    for (DType dtype : {DType::f32, DType::bf16, DType::i32}) {
      Array x = base.slice(1, 0, 1).to(dtype).expand(base.shape());
      auto same = [&](DType result, auto&& kernel) {
        Array a = Array::empty(outputs, result);
        Array b = Array::empty(outputs, result);
        kernel(x, a);
        Array copy = x.clone();
        kernel(copy, b);
        EXPECT_TRUE(same_bits(a, b)) << fmt::format("{} {}", outputs, dtype);
      };
      same(summed(dtype),
           [](const Array& x, const Array& out) { fold().run(FoldOp::sum, x, out); });
      same(DType::i64, [&](const Array& x, const Array& out) {
        fold().arg(true, x, Array::empty(outputs, dtype), out);
      });
      if (!is_floating(dtype)) continue;
      same(dtype, [](const Array& x, const Array& out) { fold().variance(x, 2, true, out); });
      same(dtype, [](const Array& x, const Array& out) { fold().norm(3, x, out); });
    }
  }
}

// Thousands of ones in 16 bits: added in f32, so none is lost.
TEST(Fold, SixteenBitSumsAreAddedInF32) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    for (const Dims& shape : {Dims{1, 30000, 1}, Dims{1, 30000, 2}}) {
      Array out = Array::empty({1, shape[2]}, dtype);
      fold().run(FoldOp::sum, Array::full(shape, 1, dtype), out);
      EXPECT_TRUE(close_to(doubles(out), Values(static_cast<size_t>(shape[2]), 30000), 0, 0x1p-8));
    }
  }
}

}  // namespace
}  // namespace tessera
