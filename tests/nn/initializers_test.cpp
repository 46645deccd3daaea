// The ways of torch.nn.init in which parameters may start.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/statistics.h"
#include "nn/layers.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::same_bits;

Array made(const Init& init, const Dims& shape, uint64_t seed = 1) {
  Array out = Array::empty({num_elements(shape)});
  InitialValues{"w", seed, init}.fill(0, out);
  return out.view(shape);
}

struct Moments {
  double mean, std, low, high;
};
Moments moments_of(const Array& x) {
  std::vector<double> values = doubles(x);
  auto [low, high] = std::minmax_element(values.begin(), values.end());
  StdMean moments = std_mean(Tensor(x.to(DType::f64)));
  return {moments.mean.item<double>(), moments.std.item<double>(), *low, *high};
}

TEST(Init, ScalesByFans) {
  Dims shape{300, 50, 2, 2};  // fan_in 200, fan_out 1200
  struct Row {
    Init init;
    double std;
    bool is_uniform;
  };
  double relu = std::sqrt(2.0);
  const std::vector<Row> rows{
      {Init::kaiming_uniform(shape), relu / std::sqrt(200), true},
      {Init::kaiming_normal(shape), relu / std::sqrt(200), false},
      {Init::kaiming_normal(shape, {.slope = 2, .mode = FanMode::fan_out}),
       std::sqrt(2.0 / 5) / std::sqrt(1200), false},
      {Init::kaiming_uniform(shape, {.nonlinearity = Nonlinearity::tanh}), 5.0 / 3 / std::sqrt(200),
       true},
      {Init::xavier_uniform(shape, 3), 3 * std::sqrt(2.0 / 1400), true},
      {Init::xavier_normal(shape), std::sqrt(2.0 / 1400), false},
      {Init::normal(0, 0.5), 0.5, false},
      {Init::uniform(-std::sqrt(3), std::sqrt(3)), 1, true},
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    Moments found = moments_of(made(rows[i].init, shape));
    EXPECT_NEAR(found.mean, 0, 0.02 * rows[i].std) << i;
    EXPECT_NEAR(found.std, rows[i].std, 0.01 * rows[i].std) << i;
    double bound = std::sqrt(3) * rows[i].std;
    EXPECT_EQ(found.high < 1.0001 * bound && found.low > -1.0001 * bound, rows[i].is_uniform) << i;
  }
  Moments shifted = moments_of(made(Init::normal(3, 0.5), shape));
  EXPECT_NEAR(shifted.mean, 3, 0.01);
}

// The mean and deviation of a normal distribution cut off at these bounds.
TEST(Init, TruncatesNormals) {
  Moments found = moments_of(made(Init::trunc_normal(), {300, 400}));
  EXPECT_NEAR(found.mean, 0, 0.01);
  EXPECT_NEAR(found.std, 0.8796, 0.005);
  EXPECT_GE(found.low, -2);
  EXPECT_LE(found.high, 2);
  EXPECT_GT(found.high, 1.99);
  found = moments_of(made(Init::trunc_normal(1, 2, 1, 3), {300, 400}));
  EXPECT_NEAR(found.mean, 1 + 2 * 0.4598622, 0.005);
  EXPECT_GE(found.low, 1);
  EXPECT_LE(found.high, 3);
  // Bounds in tails of which f32 knows nothing: all values are at the nearer one, or within.
  for (auto [mean, low, high] : {std::tuple(10.0, -2.0, 2.0), std::tuple(-9.0, 1.0, 3.0),
                                 std::tuple(0.0, -1000.0, 1000.0), std::tuple(0.0, 5.0, 6.0)}) {
    found = moments_of(made(Init::trunc_normal(mean, 1, low, high), {300, 400}));
    EXPECT_GE(found.low, low);
    EXPECT_LE(found.high, high);
    if (mean > high + 6) {
      EXPECT_EQ(found.low, high);
    }
    if (mean < low - 6) {
      EXPECT_EQ(found.high, low);
    }
  }
  EXPECT_LT(moments_of(made(Init::trunc_normal(0, 1, -1000, 1000), {300, 400})).high, 7);
}

TEST(Init, OrthogonalOnesAreAtRightAngles) {
  for (const Dims& shape :
       {Dims{70, 70}, Dims{40, 90}, Dims{90, 10, 2, 2}, Dims{1, 3}, Dims{3, 1}}) {
    Array w = made(Init::orthogonal(shape, 2), shape);
    int64_t rows = shape[0];
    Tensor matrix = reshape(to(Tensor(w), DType::f64), {rows, w.numel() / rows});
    if (rows > matrix.size(1)) matrix = transpose(matrix, 0, 1);
    int64_t count = matrix.size(0);
    Tensor products = matmul(matrix, transpose(matrix, 0, 1));
    std::vector<double> expected;
    for (int64_t i = 0; i < count * count; ++i) expected.push_back(i % (count + 1) == 0 ? 4 : 0);
    EXPECT_TRUE(close_to(doubles(products.data()), expected, 2e-6, 0)) << shape[0];
  }
}

TEST(Init, SparseOnesHaveTheirShareOfZerosInEachColumn) {
  Array w = made(Init::sparse({30, 20}, 0.31, 0.5), {30, 20});
  std::vector<double> values = doubles(w);
  std::set<std::vector<size_t>> patterns;
  for (size_t col = 0; col < 20; ++col) {
    std::vector<size_t> zeros;
    for (size_t row = 0; row < 30; ++row) {
      if (values[row * 20 + col] == 0) zeros.push_back(row);
    }
    EXPECT_EQ(zeros.size(), 10U);
    patterns.insert(zeros);
  }
  EXPECT_GT(patterns.size(), 18U);
}

TEST(Init, IdentitiesAreTheIdentity) {
  EXPECT_EQ(doubles(made(Init::eye({2, 3}), {2, 3})), (std::vector<double>{1, 0, 0, 0, 1, 0}));
  Module root;
  Conv2d conv(&root, "conv", 4, 4, 3, {.padding = {1}, .groups = 2, .bias = false});
  root.set_initial_values(conv.weight, Init::dirac(conv.weight.shape(), 2));
  Tensor x(test::random_array({2, 4, 5, 5}));
  EXPECT_TRUE(close_to(doubles(conv(x).data()), doubles(x.data()), 1e-7, 0));
}

// A rank makes only its part.
TEST(Init, AnyPartOfItIsThatOfTheWhole) {
  Dims shape{12, 10};
  for (const Init& init :
       {Init::normal(1, 2), Init::uniform(1, 2), Init::trunc_normal(), Init::kaiming_uniform(shape),
        Init::xavier_normal(shape), Init::orthogonal(shape), Init::sparse(shape, 0.3),
        Init::eye(shape), Init::dirac({4, 5, 3, 2}), Init::trunc_normal().with_zeros(10, 25)}) {
    Array whole = made(init, shape).view({120});
    EXPECT_FALSE(same_bits(made(init, shape, 2).view({120}), whole) && init.form.find("eye") != 0 &&
                 init.form.find("dirac") != 0);
    for (int64_t first : {0, 1, 17, 64, 119}) {
      for (int64_t count : {int64_t{1}, 120 - first}) {
        Array part = Array::empty({count});
        InitialValues{"w", 1, init}.fill(first, part);
        EXPECT_TRUE(same_bits(part, whole.slice(0, first, first + count))) << init.form << first;
        Array half = Array::empty({count}, DType::bf16);
        InitialValues{"w", 1, init}.fill(first, half);
        EXPECT_TRUE(same_bits(half, part.to(DType::bf16))) << init.form;
      }
    }
  }
}

TEST(Init, RefusesWhatDoesNotFit) {
  EXPECT_EQ(error_of([] { Init::kaiming_normal({5}); }),
            "[Init] expected a shape with two dims or more, got (5,)");
  EXPECT_EQ(error_of([] { Init::orthogonal({5}); }),
            "[Init] expected a shape with two dims or more and elements, got (5,)");
  EXPECT_EQ(error_of([] {
              Init::sparse({5, 2}, 1.5);
            }),
            "[Init] expected a sparsity in [0, 1], got 1.5");
  EXPECT_EQ(error_of([] {
              Init::dirac({5, 2});
            }),
            "[Init] expected a shape of three to five dims, got (5, 2)");
  EXPECT_EQ(error_of([] {
              Init::dirac({5, 2, 3}, 2);
            }),
            "[Init] expected groups that divide 5 channels, got 2");
  EXPECT_EQ(error_of([] { Init::trunc_normal(0, 0); }),
            "[Init] expected a std above 0 and low < high, got 0, -2, 2");
}

}  // namespace
}  // namespace tessera::nn
