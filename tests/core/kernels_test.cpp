#include "core/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "core/cpu/cpu.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

const Kernels& cpu() { return kernels({}); }

TEST(Kernels, NamesTheFamilyThatADeviceLacks) {
  Kernels none;
  none.device = DeviceType::meta;
  EXPECT_EQ(error_of([&] { none.attention(); }), "[attention] meta has no kernels of this family");
  EXPECT_EQ(error_of([] {
              kernels({DeviceType::cuda, 1});
            }),
            "this build has no kernels for cuda:1");
}

TEST(Kernels, NameTheirInstructionSet) { EXPECT_FALSE(cpu::instruction_set().empty()); }

// --- Elementwise functions against double libm --------------------------------------------------

// Floats over the whole range: every exponent, several mantissas, both signs, and the specials.
std::vector<float> wide_floats() {
  std::vector<float> out;
  for (uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (uint32_t step = 0; step < 64; ++step) {
      uint32_t bits = exponent << 23 | step * 0x1ffff;
      out.push_back(std::bit_cast<float>(bits));
      out.push_back(-std::bit_cast<float>(bits));
    }
  }
  for (int i = -120000; i <= 120000; ++i) out.push_back(static_cast<float>(i) * 1e-3F);
  return out;
}

// Absolute and relative error are bounded as atol + rtol |expected|; infinities and NaN must be
// met exactly.
void expect_accurate(UnaryOp op, const std::function<double(double)>& reference, double atol,
                     double rtol, const std::function<bool(float)>& where = nullptr) {
  std::vector<float> inputs = wide_floats();
  if (where) std::erase_if(inputs, [&](float x) { return !where(x); });
  auto count = static_cast<int64_t>(inputs.size());
  Array x = Array::from(inputs, {count});
  Array y = Array::empty({count});
  cpu().unary().run(op, x, y);
  std::vector<float> got = y.to_vector<float>();
  for (size_t i = 0; i < inputs.size(); ++i) {
    double expected = reference(inputs[i]);
    auto rounded = static_cast<float>(expected);
    if (std::isnan(expected) || std::isinf(rounded)) {
      ASSERT_TRUE(std::isnan(expected) ? std::isnan(got[i]) : got[i] == rounded)
          << inputs[i] << ": " << got[i] << " against " << expected;
      continue;
    }
    ASSERT_LE(std::abs(got[i] - expected), atol + rtol * std::abs(expected))
        << inputs[i] << ": " << got[i] << " against " << expected;
  }
}

constexpr double kTiny = std::numeric_limits<float>::denorm_min();

TEST(Exp, IsAccurateFromUnderflowToOverflow) {
  expect_accurate(
      UnaryOp::exp, [](double x) { return std::exp(x); }, 2 * kTiny, 3e-7,
      [](float x) { return !(x > 88.7228F && x < 88.7229F); });
}

TEST(Log, IsAccurateOnAllPositiveNumbers) {
  expect_accurate(
      UnaryOp::log, [](double x) { return std::log(x); }, 1e-7, 3e-7);
}

TEST(Tanh, IsAccurateEverywhere) {
  expect_accurate(
      UnaryOp::tanh, [](double x) { return std::tanh(x); }, 2 * kTiny, 1e-6);
}

TEST(Sigmoid, IsAccurateInBothTails) {
  expect_accurate(
      UnaryOp::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 2 * kTiny, 4e-7);
}

TEST(Gelu, IsAccurateEverywhere) {
  auto gelu = [](double x) { return x * 0.5 * (1 + std::erf(x * M_SQRT1_2)); };
  expect_accurate(UnaryOp::gelu, gelu, 1e-6, 4e-7);
}

TEST(Gelu, GradientIsAccurateEverywhere) {
  std::vector<float> inputs = wide_floats();
  std::erase_if(inputs, [](float x) { return !(std::abs(x) < 1e10F); });
  auto count = static_cast<int64_t>(inputs.size());
  Array x = Array::from(inputs, {count});
  Array dx = Array::empty({count});
  cpu().binary().run(BinaryOp::gelu_grad, x, Array::full({count}, 1), dx);
  std::vector<double> expected;
  for (double v : inputs) {
    double pdf = std::exp(-0.5 * v * v) / std::sqrt(2 * M_PI);
    expected.push_back(0.5 * (1 + std::erf(v * M_SQRT1_2)) + v * pdf);
  }
  EXPECT_TRUE(close_to(doubles(dx), expected, 6e-7, 4e-7));
}

TEST(SqrtAndReciprocal, AreExact) {
  std::vector<float> inputs = wide_floats();
  auto count = static_cast<int64_t>(inputs.size());
  Array x = Array::from(inputs, {count});
  Array root = Array::empty({count});
  Array inverse = Array::empty({count});
  cpu().unary().run(UnaryOp::sqrt, x, root);
  cpu().unary().run(UnaryOp::reciprocal, x, inverse);
  for (size_t i = 0; i < inputs.size(); ++i) {
    float r = root.data<float>()[i];
    float expected = std::sqrt(inputs[i]);
    ASSERT_TRUE(r == expected || (std::isnan(r) && std::isnan(expected))) << inputs[i];
    float v = inverse.data<float>()[i];
    ASSERT_TRUE(v == 1 / inputs[i] || (std::isnan(v) && std::isnan(inputs[i]))) << inputs[i];
  }
}

std::vector<float> unary(UnaryOp op, const std::vector<float>& values) {
  Array x = Array::from(values, {static_cast<int64_t>(values.size())});
  Array y = Array::empty(x.shape());
  cpu().unary().run(op, x, y);
  return y.to_vector<float>();
}

TEST(Unary, KeepsNanAndSignsOfZero) {
  const float nan = NAN;
  for (UnaryOp op : {UnaryOp::neg, UnaryOp::abs, UnaryOp::sign, UnaryOp::square, UnaryOp::sqrt,
                     UnaryOp::exp, UnaryOp::log, UnaryOp::tanh, UnaryOp::sigmoid, UnaryOp::relu,
                     UnaryOp::gelu, UnaryOp::reciprocal}) {
    for (float y : unary(op, std::vector<float>(17, nan))) {
      EXPECT_TRUE(std::isnan(y)) << static_cast<int>(op);
    }
  }
  EXPECT_TRUE(std::signbit(unary(UnaryOp::neg, {0.0F})[0]));
  EXPECT_FALSE(std::signbit(unary(UnaryOp::abs, {-0.0F})[0]));
  EXPECT_EQ(unary(UnaryOp::sign, {-3, -0.0F, 0, INFINITY}), (std::vector<float>{-1, 0, 0, 1}));
  EXPECT_EQ(unary(UnaryOp::relu, {-1, 0, 2, -INFINITY}), (std::vector<float>{0, 0, 2, 0}));
  EXPECT_EQ(unary(UnaryOp::log, {0, -0.0F}), (std::vector<float>{-INFINITY, -INFINITY}));
}

TEST(Unary, WorksInPlace) {
  Array x = random_array({1000});
  Array expected = Array::empty({1000});
  cpu().unary().run(UnaryOp::gelu, x, expected);
  cpu().unary().run(UnaryOp::gelu, x, x);
  EXPECT_TRUE(same_bits(x, expected));
}

TEST(Unary, AnElementsBitsDoNotDependOnItsPlace) {
  Array x = random_array({100}, DType::f32, 3, -5, 5);
  for (UnaryOp op : {UnaryOp::exp, UnaryOp::tanh, UnaryOp::gelu, UnaryOp::sigmoid}) {
    Array whole = Array::empty({100});
    cpu().unary().run(op, x, whole);
    for (int64_t first = 0; first < 100; ++first) {
      Array part = Array::empty({std::min<int64_t>(13, 100 - first)});
      cpu().unary().run(op, x.slice(0, first, first + 13), part);
      ASSERT_TRUE(same_bits(part, whole.slice(0, first, first + 13)));
    }
  }
}

TEST(Binary, MaximumAndMinimumGiveNanForEitherNan) {
  const float nan = NAN;
  Array a = Array::from<float>({nan, 1, nan, 2, -INFINITY}, {5});
  Array b = Array::from<float>({1, nan, nan, 3, INFINITY}, {5});
  for (BinaryOp op : {BinaryOp::maximum, BinaryOp::minimum}) {
    Array out = Array::empty({5});
    cpu().binary().run(op, a, b, out);
    auto y = out.to_vector<float>();
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]) && std::isnan(y[2]));
    EXPECT_EQ(y[3], op == BinaryOp::maximum ? 3 : 2);
    EXPECT_EQ(y[4], op == BinaryOp::maximum ? INFINITY : -INFINITY);
  }
}

// --- Products -----------------------------------------------------------------------------------

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

TEST(Matmul, RefusesOtherDtypes) {
  Array x = Array::zeros({1, 2, 2}, DType::i64);
  EXPECT_EQ(error_of([&] { cpu().matmul().run(x, x, {}, x.clone()); }),
            "[matmul] expected f32 or f64, got i64");
}

// --- Reductions ---------------------------------------------------------------------------------

TEST(Reduce, SumsRowsAndColumns) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t rows : {0, 1, 2, 63, 64, 65, 4097}) {
      for (int64_t cols : {0, 1, 3, 17, 100}) {
        Array x = random_array({rows, cols}, dtype);
        std::vector<double> v = doubles(x);
        std::vector<double> by_row(static_cast<size_t>(rows));
        std::vector<double> by_column(static_cast<size_t>(cols));
        for (size_t i = 0; i < v.size(); ++i) {
          by_row[i / static_cast<size_t>(cols)] += v[i];
          by_column[i % static_cast<size_t>(cols)] += v[i];
        }
        double atol = dtype == DType::f32 ? 1e-4 : 1e-12;
        Array out = Array::full({rows}, NAN, dtype);
        cpu().reduce().sum_rows(x, out);
        ASSERT_TRUE(close_to(doubles(out), by_row, atol, 0)) << rows << ' ' << cols;
        out = Array::full({cols}, NAN, dtype);
        cpu().reduce().sum_columns(x, out);
        ASSERT_TRUE(close_to(doubles(out), by_column, atol, 0)) << rows << ' ' << cols;
      }
    }
  }
}

TEST(Reduce, SumsLongRowsOfExactNumbersExactly) {
  for (int64_t cols : {16383, 16384, 16385, 40000, 300001}) {
    Array x = Array::full({3, cols}, 1);
    Array out = Array::empty({3});
    cpu().reduce().sum_rows(x, out);
    EXPECT_EQ(doubles(out), std::vector<double>(3, static_cast<double>(cols)));
  }
}

TEST(Reduce, ChunkSquareSumsHaveOneValuePer256Elements) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t count : {0, 1, 7, 255, 256, 257, 511, 512, 16384, 16385, 50000}) {
      Array x = random_array({count}, dtype, 4, -3, 3);
      std::vector<double> v = doubles(x);
      std::vector<double> expected(static_cast<size_t>((count + 255) / 256));
      for (size_t i = 0; i < v.size(); ++i) expected[i / 256] += v[i] * v[i];
      Array first;
      for (int threads : test::kThreadCounts) {
        test::Threads guard(threads);
        Array out = Array::full({(count + 255) / 256}, NAN, DType::f64);
        cpu().reduce().chunk_square_sums(x, out);
        ASSERT_TRUE(close_to(doubles(out), expected, 0, 1e-13)) << count;
        if (!first.defined()) first = out;
        ASSERT_TRUE(same_bits(out, first));
      }
    }
  }
}

TEST(Reduce, AChunksSquareSumDoesNotDependOnItsNeighbours) {
  Array x = random_array({2560});
  Array whole = Array::empty({10}, DType::f64);
  cpu().reduce().chunk_square_sums(x, whole);
  for (int64_t chunk = 0; chunk < 10; ++chunk) {
    Array one = Array::empty({1}, DType::f64);
    cpu().reduce().chunk_square_sums(x.slice(0, 256 * chunk, 256 * chunk + 256), one);
    EXPECT_TRUE(same_bits(one, whole.slice(0, chunk, chunk + 1)));
  }
}

// --- Layer norm ---------------------------------------------------------------------------------

TEST(LayerNorm, AgreesWithPlainLoops) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t rows : {0, 1, 31, 32, 33, 100}) {
      for (int64_t cols : {1, 2, 7, 16, 33, 384}) {
        Array x = random_array({rows, cols}, dtype, 1, 9, 11);  // a mean far from zero
        Array w = random_array({cols}, dtype, 2);
        Array b = random_array({cols}, dtype, 3);
        Array y = Array::empty({rows, cols}, dtype);
        Array mean = Array::empty({rows}, dtype);
        Array rstd = Array::empty({rows}, dtype);
        cpu().normalize().layer_norm(x, w, b, 1e-5, y, mean, rstd);
        std::vector<double> v = doubles(x);
        std::vector<double> expected;
        for (int64_t i = 0; i < rows; ++i) {
          const double* row = v.data() + i * cols;
          double mu = 0;
          double variance = 0;
          auto n = static_cast<double>(cols);
          for (int64_t j = 0; j < cols; ++j) mu += row[j] / n;
          for (int64_t j = 0; j < cols; ++j) variance += (row[j] - mu) * (row[j] - mu) / n;
          for (int64_t j = 0; j < cols; ++j) {
            expected.push_back((row[j] - mu) / std::sqrt(variance + 1e-5) *
                                   w.select(0, j).item<double>() +
                               b.select(0, j).item<double>());
          }
          ASSERT_NEAR(mean.select(0, i).item<double>(), mu, 1e-5);
        }
        // Near 10 a float is exact to 1e-6; dividing by a small deviation enlarges that.
        double atol = dtype == DType::f64 ? 1e-11 : cols == 1 ? 1e-6 : 2e-3;
        if (dtype == DType::f32 && cols >= 7) atol = 1e-5;
        ASSERT_TRUE(close_to(doubles(y), expected, atol, 0)) << rows << ' ' << cols;
      }
    }
  }
}

// --- Attention ----------------------------------------------------------------------------------

struct AttentionCase {
  int64_t batch, heads, queries, keys, width, v_width;
};

struct Attended {
  std::vector<double> out, lse, dq, dk, dv;
};

// By the definition, with all probabilities in memory; q, k, v and dout are row-major.
Attended plain_attention(const AttentionCase& c, double scale, bool causal,
                         const std::vector<double>& q, const std::vector<double>& k,
                         const std::vector<double>& v, const std::vector<double>& dout) {
  Attended a;
  a.out.assign(dout.size(), 0);
  a.dq.assign(q.size(), 0);
  a.dk.assign(k.size(), 0);
  a.dv.assign(v.size(), 0);
  for (int64_t head = 0; head < c.batch * c.heads; ++head) {
    const double* hk = k.data() + head * c.keys * c.width;
    const double* hv = v.data() + head * c.keys * c.v_width;
    double* hdk = a.dk.data() + head * c.keys * c.width;
    double* hdv = a.dv.data() + head * c.keys * c.v_width;
    for (int64_t i = 0; i < c.queries; ++i) {
      int64_t row = head * c.queries + i;
      const double* hq = q.data() + row * c.width;
      double* hout = a.out.data() + row * c.v_width;
      const double* hdout = dout.data() + row * c.v_width;
      int64_t seen = causal ? std::min(i + 1, c.keys) : c.keys;
      std::vector<double> p(static_cast<size_t>(seen));
      double sum = 0;
      for (int64_t s = 0; s < seen; ++s) {
        double score = 0;
        for (int64_t d = 0; d < c.width; ++d) score += hq[d] * hk[s * c.width + d];
        sum += p[static_cast<size_t>(s)] = std::exp(scale * score);
      }
      a.lse.push_back(std::log(sum));
      double delta = 0;
      for (int64_t s = 0; s < seen; ++s) {
        double& ps = p[static_cast<size_t>(s)];
        ps /= sum;
        for (int64_t e = 0; e < c.v_width; ++e) {
          hout[e] += ps * hv[s * c.v_width + e];
          hdv[s * c.v_width + e] += ps * hdout[e];
          delta += ps * hv[s * c.v_width + e] * hdout[e];
        }
      }
      for (int64_t s = 0; s < seen; ++s) {
        double dp = 0;
        for (int64_t e = 0; e < c.v_width; ++e) dp += hdout[e] * hv[s * c.v_width + e];
        double ds = p[static_cast<size_t>(s)] * (dp - delta) * scale;
        for (int64_t d = 0; d < c.width; ++d) {
          a.dq[static_cast<size_t>(row * c.width + d)] += ds * hk[s * c.width + d];
          hdk[s * c.width + d] += ds * hq[d];
        }
      }
    }
  }
  return a;
}

// (B, H, T, D) in memory as (B, T, H, D), as a linear layer makes it.
Array by_token(int64_t batch, int64_t heads, int64_t tokens, int64_t width, DType dtype,
               uint64_t seed) {
  return random_array({batch, tokens, heads, width}, dtype, seed, -2, 2).transpose(1, 2);
}

void run_attention_case(const AttentionCase& c, bool causal, DType dtype) {
  SCOPED_TRACE(fmt::format("B {} H {} T {} S {} D {} E {} causal {} {}", c.batch, c.heads,
                           c.queries, c.keys, c.width, c.v_width, causal, dtype));
  Array q = by_token(c.batch, c.heads, c.queries, c.width, dtype, 1);
  Array k = by_token(c.batch, c.heads, c.keys, c.width, dtype, 2);
  Array v = by_token(c.batch, c.heads, c.keys, c.v_width, dtype, 3);
  Array dout = by_token(c.batch, c.heads, c.queries, c.v_width, dtype, 4);
  double scale = 1 / std::sqrt(static_cast<double>(c.width));
  auto like = [](const Array& x) { return Array::full(x.shape(), NAN, x.dtype()); };
  Array out = like(dout);
  Array lse = Array::full({c.batch, c.heads, c.queries}, NAN, dtype);
  Array dq = like(q);
  Array dk = like(k);
  Array dv = like(v);
  cpu().attention().run(q, k, v, scale, causal, out, lse);
  cpu().attention().grad(q, k, v, out, lse, dout, scale, causal, dq, dk, dv);
  Attended expected =
      plain_attention(c, scale, causal, doubles(q), doubles(k), doubles(v), doubles(dout));
  double tolerance = dtype == DType::f32 ? 3e-5 : 1e-12;
  EXPECT_TRUE(close_to(doubles(out), expected.out, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(lse), expected.lse, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(dq), expected.dq, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(dk), expected.dk, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(dv), expected.dv, tolerance, tolerance));
}

TEST(Attention, AgreesWithTheDefinition) {
  const AttentionCase cases[] = {
      {1, 1, 1, 1, 1, 1},    {2, 3, 64, 64, 16, 16}, {1, 2, 65, 65, 8, 8}, {1, 2, 130, 130, 7, 5},
      {2, 1, 63, 100, 9, 3}, {1, 1, 100, 63, 4, 6},  {1, 1, 1, 200, 5, 1}, {1, 1, 200, 1, 1, 5},
      {0, 2, 4, 4, 3, 3},    {1, 2, 0, 4, 3, 3}};
  for (const AttentionCase& c : cases) {
    for (bool causal : {false, true}) {
      run_attention_case(c, causal, DType::f32);
      run_attention_case(c, causal, DType::f64);
    }
  }
}

TEST(Attention, SurvivesLargeScores) {
  Array q = Array::full({1, 1, 3, 2}, 1e4);
  Array k = random_array({1, 1, 5, 2}, DType::f32, 2, -1e4, 1e4);
  Array v = random_array({1, 1, 5, 2});
  Array out = Array::empty({1, 1, 3, 2});
  Array lse = Array::empty({1, 1, 3});
  cpu().attention().run(q, k, v, 1, false, out, lse);
  for (double value : doubles(out)) EXPECT_LE(std::abs(value), 1);
}

// --- AdamW --------------------------------------------------------------------------------------

TEST(AdamW, AgreesWithADoubleLoop) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t count : {0, 1, 5, 16, 1000, 16384, 40001}) {
      AdamWArgs args{.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};
      Array param = random_array({count}, dtype, 1);
      Array m = Array::zeros({count}, dtype);
      Array v = Array::zeros({count}, dtype);
      std::vector<double> p = doubles(param);
      std::vector<double> pm(p.size());
      std::vector<double> pv(p.size());
      for (args.step = 1; args.step <= 3; ++args.step) {
        Array grad = random_array({count}, dtype, static_cast<uint64_t>(10 + args.step));
        std::vector<double> g = doubles(grad);
        cpu().optimizer().adamw(args, param, grad, Array::scalar(0.5, DType::f64), m, v);
        double t = static_cast<double>(args.step);
        for (size_t i = 0; i < p.size(); ++i) {
          double gi = g[i] * 0.5;
          pm[i] = args.beta1 * pm[i] + (1 - args.beta1) * gi;
          pv[i] = args.beta2 * pv[i] + (1 - args.beta2) * gi * gi;
          double m_hat = pm[i] / (1 - std::pow(args.beta1, t));
          double v_hat = pv[i] / (1 - std::pow(args.beta2, t));
          p[i] -= args.lr * args.weight_decay * p[i];
          p[i] -= args.lr * m_hat / (std::sqrt(v_hat) + args.eps);
        }
      }
      double tolerance = dtype == DType::f32 ? 1e-6 : 1e-14;
      EXPECT_TRUE(close_to(doubles(param), p, tolerance, tolerance)) << count;
      EXPECT_TRUE(close_to(doubles(m), pm, tolerance, tolerance));
      EXPECT_TRUE(close_to(doubles(v), pv, tolerance, tolerance));
    }
  }
}

TEST(AdamW, AnElementsBitsDoNotDependOnTheCut) {
  AdamWArgs args{.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};
  Array whole[4];
  Array pieces[4];
  for (uint64_t i = 0; i < 4; ++i) {
    whole[i] = random_array({1024}, DType::f32, i, 0.1, 1);
    pieces[i] = whole[i].clone();
  }
  Array one = Array::scalar(1, DType::f64);
  cpu().optimizer().adamw(args, whole[0], whole[1], one, whole[2], whole[3]);
  for (int64_t first = 0, size = 1; first < 1024; first += size, size = size % 37 + 1) {
    Array part[4];
    for (size_t i = 0; i < 4; ++i) part[i] = pieces[i].slice(0, first, first + size);
    cpu().optimizer().adamw(args, part[0], part[1], one, part[2], part[3]);
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(same_bits(whole[i], pieces[i])) << i;
}

// --- Softmax, cross entropy, gather -------------------------------------------------------------

TEST(Softmax, SurvivesLargeAndInfiniteNumbers) {
  Array x = Array::from<float>({1000, 1001, -INFINITY, -1e30F, 3, 3}, {2, 3});
  x.select(0, 1).copy_(Array::from<float>({-1e30F, 3, 3}, {3}));
  Array y = Array::empty({2, 3});
  cpu().softmax().softmax(x, y);
  double p = 1 / (1 + std::exp(-1.0));
  EXPECT_TRUE(close_to(doubles(y), {1 - p, p, 0, 0, 0.5, 0.5}, 1e-6, 0));
  cpu().softmax().log_softmax(x, y);
  EXPECT_TRUE(close_to(doubles(y),
                       {std::log(1 - p), std::log(p), -INFINITY, -1e30, -std::log(2), -std::log(2)},
                       1e-4, 1e-6));  // at 1000 a float is exact to 6e-5
}

TEST(CrossEntropy, NamesATargetOutside) {
  Array logits = random_array({3, 5});
  Array losses = Array::empty({3});
  Array lse = Array::empty({3});
  auto error_for = [&](int64_t target) {
    Array targets = Array::from<int64_t>({4, 0, target}, {3});
    return error_of([&] { cpu().softmax().cross_entropy(logits, targets, losses, lse); });
  };
  EXPECT_EQ(error_for(4), "");
  EXPECT_EQ(error_for(5), "[cross_entropy] expected a target in [0, 5), got 5 in row 2");
  EXPECT_EQ(error_for(-1), "[cross_entropy] expected a target in [0, 5), got -1 in row 2");
  EXPECT_EQ(error_for(INT64_MIN),
            fmt::format("[cross_entropy] expected a target in [0, 5), got {} in row 2", INT64_MIN));
}

TEST(CrossEntropy, NamesATargetOutsideFromAnyThread) {
  test::Threads guard(8);
  Array logits = random_array({2000, 100});
  Array targets = Array::zeros({2000}, DType::i64);
  targets.select(0, 1777).fill_(100);
  Array losses = Array::empty({2000});
  EXPECT_EQ(error_of([&] {
              cpu().softmax().cross_entropy(logits, targets, losses, Array::empty({2000}));
            }),
            "[cross_entropy] expected a target in [0, 100), got 100 in row 1777");
}

TEST(Gather, CopiesRowsOfEveryDtype) {
  Array index = Array::from<int64_t>({2, 0, 2}, {3});
  for (DType dtype :
       {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8}) {
    Array table = Array::arange(12).view({3, 4}).to(dtype);
    Array out = Array::empty({3, 4}, dtype);
    cpu().gather().rows(table, index, out);
    EXPECT_EQ(doubles(out), (std::vector<double>{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11}));
  }
}

TEST(Gather, NamesAnIndexOutside) {
  Array table = Array::zeros({3, 4});
  Array rows = Array::zeros({2, 4});
  for (int64_t bad : {3, -1}) {
    Array index = Array::from<int64_t>({0, bad}, {2});
    EXPECT_EQ(error_of([&] { cpu().gather().rows(table, index, rows); }),
              fmt::format("[gather] expected an index in [0, 3), got {} at 1", bad));
    EXPECT_EQ(error_of([&] { cpu().gather().scatter_add_rows(rows, index, table); }),
              fmt::format("[scatter_add] expected an index in [0, 3), got {} at 1", bad));
  }
}

TEST(ScatterAdd, AddsRepeatedRowsInOrder) {
  int64_t rows = 500;
  Array source = random_array({rows, 130});
  std::vector<int64_t> at;
  for (int64_t i = 0; i < rows; ++i) at.push_back(i * i % 7);
  Array index = Array::from(at, {rows});
  std::vector<float> expected(static_cast<size_t>(7 * 130));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < 130; ++j) {
      expected[static_cast<size_t>(at[static_cast<size_t>(i)] * 130 + j)] +=
          source.data<float>()[i * 130 + j];
    }
  }
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    Array table = Array::zeros({7, 130});
    cpu().gather().scatter_add_rows(source, index, table);
    EXPECT_EQ(table.to_vector<float>(), expected);
  }
}

}  // namespace
}  // namespace tessera
