// Covariances, distances and histograms: extreme inputs and errors.
#include "autograd/ops/correlation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::floats;
using test::grad_of;
using test::of;
using test::Values;

Values values(const Tensor& x) { return doubles(x.data()); }

TEST(Cov, NamesWhatItCannotTake) {
  EXPECT_TRUE(contains(error_of([] { cov(zeros({2, 2, 2})); }), "[cov] expected at most two dims"));
  EXPECT_TRUE(contains(error_of([] {
                         cov(of(DType::boolean, {1, 0}));
                       }),
                       "[cov] expected numbers"));
  Tensor x = floats({1, 2, 3});
  EXPECT_TRUE(contains(error_of([&] { cov(x, 1, floats({1, 2, 3})); }), "fweights of integers"));
  EXPECT_TRUE(contains(error_of([&] {
                         cov(x, 1, of(DType::i64, {1, 2}));
                       }),
                       "[cov] expected fweights of shape (3,)"));
  EXPECT_TRUE(contains(error_of([&] { cov(x, 1, of(DType::i64, {1, -2, 1})); }), "at least 0"));
  EXPECT_TRUE(contains(error_of([&] { cov(x, 1, {}, of(DType::i64, {1, 2, 1})); }), "of floats"));
  EXPECT_EQ(cov(of(DType::f16, {1, 2, 3})).dtype(), DType::f16);
  EXPECT_EQ(cov(of(DType::i64, {1, 2, 3})).item<double>(), 1);
  EXPECT_TRUE(std::isnan(cov(floats({1})).item<double>()));
}

TEST(Corrcoef, OfVariablesThatDoNotVary) {
  Values c = values(corrcoef(floats({1, 2, 3, 5, 5, 5}, {2, 3})));
  EXPECT_EQ(c[0], 1);
  EXPECT_TRUE(std::isnan(c[1]) && std::isnan(c[3]));
}

TEST(Cdist, EqualPointsHaveTheGradientZero) {
  for (double p : {0.5, 1.0, 2.0, 3.0, double(INFINITY)}) {
    Tensor x = floats({1, 2}, {1, 2});
    EXPECT_EQ(grad_of(x, cdist(x, x.detach(), p)), (Values{0, 0})) << p;
  }
  EXPECT_EQ(values(cdist(floats({1, 2, 3, 4}, {2, 2}), floats({1, 2}, {1, 2}), 0)), (Values{0, 2}));
}

TEST(Cdist, IsTheSameInPartsAndWhole) {
  Tensor a(test::random_array({700, 20}));
  Tensor b(test::random_array({400, 20}, DType::f32, 2));
  Tensor recorded(a.data(), true);
  EXPECT_TRUE(test::same_bits(cdist(a, b).data(), cdist(recorded, b).data()));
}

TEST(Cdist, NamesWhatItCannotTake) {
  EXPECT_EQ(error_of([] {
              cdist(zeros({2, 2}), zeros({2, 3}));
            }),
            "[cdist] expected points of as many elements in a as in b, got a (2, 2) and b (2, 3)");
  EXPECT_EQ(error_of([] {
              cdist(zeros({2, 2}), zeros({2, 2}), -1);
            }),
            "[cdist] expected p of at least 0, got -1");
  EXPECT_TRUE(contains(error_of([] {
                         cdist(zeros(2), zeros({2, 2}));
                       }),
                       "[cdist] expected points"));
  EXPECT_EQ(error_of([] {
              cdist(zeros({2, 2}), zeros({2, 2}, DType::f64));
            }),
            "[cdist] expected two of one dtype, got f32 and f64");
  EXPECT_EQ(values(cdist(zeros({1, 0}), zeros({2, 0}), INFINITY)), (Values{0, 0}));
}

TEST(Histc, CountsWhatLiesInside) {
  Tensor x = of(DType::f32, {0, 0.5, 1, 2, 3, 3.5, NAN, -1});
  EXPECT_EQ(values(histc(x, 3, 0, 3)), (Values{2, 1, 2}));
  EXPECT_EQ(histc(of(DType::f16, {1, 2}), 2).dtype(), DType::f16);
  EXPECT_EQ(values(histc(of(DType::f64, {2, 2}), 4)), (Values{0, 0, 2, 0}));
  EXPECT_EQ(values(histc(zeros(0), 2)), (Values{0, 0}));
  EXPECT_EQ(error_of([&] { histc(x, 3); }),
            "[histc] expected a range of finite numbers, got [nan, nan]");
  EXPECT_EQ(error_of([&] { histc(x, 0); }), "[histc] expected at least one bin, got 0");
  EXPECT_TRUE(contains(error_of([&] { histc(x, 3, 2, 1); }), "low of at most high, got 2 and 1"));
  EXPECT_EQ(error_of([] { histc(of(DType::i64, {1})); }),
            "[histc] expected a floating dtype, got i64");
}

}  // namespace
}  // namespace tessera
