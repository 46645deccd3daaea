#include "core/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <type_traits>

#include "core/kernels/matmul.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::error_of;
using test::random_array;
using test::same_bits;

const Kernels& cpu() { return kernels({}); }

struct ProductCase {
  int64_t batch, m, n, k;
  bool turned_a, turned_b, with_bias;
};

// A (batch, rows, cols) array in memory as (batch, cols, rows) if turned.
Array operand(int64_t batch, int64_t rows, int64_t cols, bool turned, DType dtype, uint64_t seed) {
  if (!turned) return random_array({batch, rows, cols}, dtype, seed);
  return random_array({batch, cols, rows}, dtype, seed).transpose(1, 2);
}

// Checks some elements (all, of a small result) against a sum in f64.
void expect_product(const Array& a, const Array& b, const Array& bias, const Array& out) {
  int64_t k = a.size(2);
  int64_t n = out.size(2);
  Array x = a.to(DType::f64);
  Array y = b.to(DType::f64);
  Array z = out.to(DType::f64).contiguous();
  int64_t count = out.numel();
  int64_t stride = std::max<int64_t>(1, count / 499);
  double tolerance = out.dtype() == DType::f32 ? 2e-6 * (4 + std::sqrt(static_cast<double>(k)))
                                               : 1e-14 * (4 + static_cast<double>(k));
  for (int64_t i = 0; i < count; i += stride) {
    int64_t col = i % n;
    int64_t row = i / n % out.size(1);
    int64_t which = i / n / out.size(1);
    double expected = bias.defined() ? bias.select(0, col).item<double>() : 0;
    const double* p = x.data<double>() + which * x.strides()[0] + row * x.strides()[1];
    const double* q = y.data<double>() + which * y.strides()[0] + col * y.strides()[2];
    for (int64_t j = 0; j < k; ++j) expected += p[j * x.strides()[2]] * q[j * y.strides()[1]];
    ASSERT_NEAR(z.data<double>()[i], expected, tolerance)
        << fmt::format("{} x {} at {}", a.shape(), b.shape(), i);
  }
}

void run_product_case(const ProductCase& c, DType dtype) {
  Array a = operand(c.batch, c.m, c.k, c.turned_a, dtype, 1);
  Array b = operand(c.batch, c.k, c.n, c.turned_b, dtype, 2);
  Array bias = c.with_bias ? random_array({c.n}, dtype, 3) : Array();
  Array out = Array::full({c.batch, c.m, c.n}, NAN, dtype);
  cpu().matmul().run(a, b, bias, out);
  expect_product(a, b, bias, out);
}

TEST(Matmul, AgreesWithTheSumForAllSmallShapes) {
  const std::vector<int64_t> sizes{0, 1, 2, 3, 17, 64, 65};
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t m : sizes) {
      for (int64_t n : sizes) {
        for (int64_t k : sizes) {
          for (int flags = 0; flags < 8; ++flags) {
            run_product_case({1, m, n, k, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0},
                             dtype);
            if (testing::Test::HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// Each of M, N and K in turn is large, so that every way of cutting the work is taken.
TEST(Matmul, AgreesWithTheSumForLargeShapes) {
  const int64_t shapes[][3] = {
      {200, 200, 200}, {1030, 65, 200}, {2100, 17, 64},    {2100, 200, 65},  {65, 1030, 200},
      {17, 2100, 65},  {200, 65, 2100}, {65, 200, 1030},   {1030, 1, 2100},  {1, 1030, 2100},
      {1, 1, 2100},    {2100, 1030, 1}, {1300, 130, 2100}, {130, 1300, 2100}};
  for (const auto& [m, n, k] : shapes) {
    for (int flags = 0; flags < 4; ++flags) {
      run_product_case({1, m, n, k, (flags & 1) != 0, (flags & 2) != 0, flags == 3}, DType::f32);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  run_product_case({1, 200, 65, 1030, true, false, true}, DType::f64);
  run_product_case({1, 130, 64, 2100, false, true, false}, DType::f64);
}

TEST(Matmul, MultipliesBatches) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t batch : {0, 2, 7, 8, 9, 33}) {
      run_product_case({batch, 17, 5, 65, false, true, true}, dtype);
      run_product_case({batch, 3, 65, 17, true, false, false}, dtype);
    }
  }
}

TEST(Matmul, TakesOneMatrixForAWholeBatch) {
  for (int64_t batch : {3, 16}) {
    Array a = operand(batch, 20, 30, false, DType::f32, 1);
    Array b = operand(1, 30, 40, true, DType::f32, 2).expand({batch, 30, 40});
    Array out = Array::empty({batch, 20, 40});
    cpu().matmul().run(a, b, {}, out);
    expect_product(a, b, {}, out);
    Array left = operand(1, 20, 30, true, DType::f32, 3).expand({batch, 20, 30});
    Array right = operand(batch, 30, 40, false, DType::f32, 4);
    cpu().matmul().run(left, right, {}, out);
    expect_product(left, right, {}, out);
  }
}

TEST(Matmul, ReadsAndWritesPiecesOfLargerMatrices) {
  for (int64_t m : {1, 7, 200}) {
    for (int64_t k : {1, 5, 130}) {
      Array a = random_array({1, m + 3, k + 9}).slice(1, 2, m + 2).slice(2, 4, k + 4);
      Array b = random_array({1, 33 + 5, k + 2}, DType::f32, 2).transpose(1, 2);
      b = b.slice(1, 1, k + 1).slice(2, 3, 36);
      Array whole = Array::full({1, m + 2, 50}, 9);
      Array out = whole.slice(1, 1, m + 1).slice(2, 7, 40);
      cpu().matmul().run(a, b, {}, out);
      expect_product(a, b, {}, out);
      out.fill_(9);
      EXPECT_TRUE(same_bits(whole, Array::full({1, m + 2, 50}, 9)));
    }
  }
}

TEST(Matmul, PropagatesNanAndInfinity) {
  Array a = random_array({1, 5, 40});
  a.select(1, 2).select(1, 7).fill_(NAN);
  Array b = random_array({1, 40, 6}, DType::f32, 2);
  Array out = Array::empty({1, 5, 6});
  cpu().matmul().run(a, b, {}, out);
  for (int64_t i = 0; i < 30; ++i) {
    EXPECT_EQ(std::isnan(out.data<float>()[i]), i / 6 == 2);
  }
}

TEST(Matmul, RoundsSixteenBitFloatsOnce) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    for (bool turned : {false, true}) {
      auto narrow = [dtype](const Array& x, bool as_columns) {
        return as_columns ? x.transpose(1, 2).to(dtype).transpose(1, 2) : x.to(dtype);
      };
      Array a = narrow(operand(3, 17, 300, turned, DType::f32, 1), turned);
      Array b = narrow(operand(3, 300, 9, !turned, DType::f32, 2), !turned);
      Array bias = random_array({9}, DType::f32, 3).to(dtype);
      Array out = Array::empty({3, 17, 9}, dtype);
      cpu().matmul().run(a, b, bias, out);
      auto wide = [](const Array& x, bool as_columns) {
        return as_columns ? x.transpose(1, 2).to(DType::f32).transpose(1, 2) : x.to(DType::f32);
      };
      Array expected = Array::empty({3, 17, 9});
      cpu().matmul().run(wide(a, turned), wide(b, !turned), bias.to(DType::f32), expected);
      EXPECT_TRUE(same_bits(out, expected.to(dtype)));
    }
  }
}

template <class T>
void expect_wrapped_product() {
  using U = std::make_unsigned_t<T>;
  for (int flags = 0; flags < 4; ++flags) {
    Array a = operand(2, 35, 70, (flags & 1) != 0, DType::f64, 1);
    Array b = operand(2, 70, 5, (flags & 2) != 0, DType::f64, 2);
    for (const Array& x : {a, b}) {
      for (int64_t i = 0; i < x.numel(); ++i) {
        double& value = static_cast<double*>(x.raw())[i];
        value = std::floor(std::abs(value) * std::min(1e9, std::ldexp(1, 8 * sizeof(T) - 1)));
      }
    }
    auto integers = [](const Array& x, bool turned) {
      Array y = turned ? x.transpose(1, 2) : x;
      y = y.to(dtype_of<T>());
      return turned ? y.transpose(1, 2) : y;
    };
    Array x = integers(a, (flags & 1) != 0);
    Array y = integers(b, (flags & 2) != 0);
    Array out = Array::empty({2, 35, 5}, dtype_of<T>());
    cpu().matmul().run(x, y, {}, out);
    std::vector<T> p = x.to_vector<T>();
    std::vector<T> q = y.to_vector<T>();
    std::vector<T> got = out.to_vector<T>();
    for (size_t i = 0; i < got.size(); ++i) {
      size_t which = i / 5 / 35;
      U sum = 0;
      for (size_t j = 0; j < 70; ++j) {
        sum = static_cast<U>(
            sum + static_cast<U>(static_cast<uint64_t>(p[i / 5 * 70 + j]) *
                                 static_cast<uint64_t>(q[(which * 70 + j) * 5 + i % 5])));
      }
      ASSERT_EQ(got[i], static_cast<T>(sum)) << i << ", layouts " << flags;
    }
  }
}

TEST(Matmul, WrapsIntegersAround) {
  expect_wrapped_product<int64_t>();
  expect_wrapped_product<int32_t>();
  expect_wrapped_product<uint8_t>();
}

TEST(Matmul, GivesTheSameBitsForAnyNumberOfThreads) {
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::i32}) {
    Array a = operand(1, 300, 400, false, DType::f32, 1).to(dtype);
    Array b = operand(1, 400, 130, false, DType::f32, 2).to(dtype);
    Array expected;
    for (int threads : test::kThreadCounts) {
      test::Threads guard(threads);
      Array out = Array::empty({1, 300, 130}, dtype);
      cpu().matmul().run(a, b, {}, out);
      if (!expected.defined()) expected = out;
      EXPECT_TRUE(same_bits(out, expected)) << threads << " threads, " << name(dtype);
    }
  }
}

TEST(Matmul, AddsToWhatIsThere) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (bool turned : {false, true}) {
      Array a = operand(2, 17, 70, turned, dtype, 1);
      Array b = operand(2, 70, 33, !turned, dtype, 2);
      Array product = Array::empty({2, 17, 33}, dtype);
      cpu().matmul().run(a, b, {}, product);
      Array out = Array::full({2, 17, 33}, 3, dtype);
      cpu().matmul().add(a, b, out);
      std::vector<double> expected = test::doubles(product);
      for (double& x : expected) x += 3;
      EXPECT_TRUE(test::close_to(test::doubles(out), expected, 1e-4, 1e-5));
    }
  }
}

// What core/kernels/matmul.h promises of a vocabulary's products.
TEST(Matmul, MakesWideProductsInPiecesWithTheBitsOfTheWhole) {
  constexpr int64_t kRows = 2 * kWidePiece + 1;
  constexpr int64_t kIn = 9;
  for (DType dtype : {DType::f32, DType::f64}) {
    Array x = random_array({1, kRows, kIn}).to(dtype);
    Array weight = random_array({1, kWide, kIn}, DType::f32, 2).to(dtype);
    Array logits = Array::empty({1, kRows, kWide}, dtype);
    Array dx = Array::empty({1, kRows, kIn}, dtype);
    Array dw = Array::empty({1, kWide, kIn}, dtype);
    auto matmul = [&](const Array& a, const Array& b, const Array& out) {
      cpu().matmul().run(a, b, {}, out);
    };
    matmul(x, weight.transpose(1, 2), logits);
    matmul(logits, weight, dx);
    matmul(logits.transpose(1, 2), x, dw);
    Array sum = Array::empty({1, kWide, kIn}, dtype);
    for (int64_t begin = 0; begin < kRows; begin += kWidePiece) {
      int64_t end = std::min(begin + kWidePiece, kRows);
      Array rows = x.slice(1, begin, end);
      Array piece = Array::empty({1, end - begin, kWide}, dtype);
      Array slope = Array::empty({1, end - begin, kIn}, dtype);
      matmul(rows, weight.transpose(1, 2), piece);
      matmul(piece, weight, slope);
      EXPECT_TRUE(same_bits(piece, logits.slice(1, begin, end))) << begin;
      EXPECT_TRUE(same_bits(slope, dx.slice(1, begin, end))) << begin;
      if (begin == 0) matmul(piece.transpose(1, 2), rows, sum);
      else cpu().matmul().add(piece.transpose(1, 2), rows, sum);
    }
    EXPECT_TRUE(same_bits(sum, dw)) << name(dtype);
  }
}

TEST(Matmul, RefusesBool) {
  Array x = Array::zeros({1, 2, 2}, DType::boolean);
  EXPECT_EQ(error_of([&] { cpu().matmul().run(x, x, {}, x.clone()); }),
            "[matmul] expected numbers, got bool");
}

}  // namespace
}  // namespace tessera
