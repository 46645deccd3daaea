#include "autograd/functional.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;

using test::Values;

Tensor vector(Values values) {
  auto size = static_cast<int64_t>(values.size());
  return Tensor(Array::from(values, {size}));
}
Values values(const Tensor& x) { return doubles(x.data()); }

TEST(Jacobian, HasARowForEachElementOfTheResult) {
  Tensor w(Array::from(Values{1, 2, 3, 4, 5, 6}, {2, 3}));
  Tensor j = jacobian([&](const Tensor& x) { return matmul(w, x * x); }, vector({1, 2, 3}));
  EXPECT_EQ(j.shape(), (Dims{2, 3}));
  EXPECT_EQ(values(j), (Values{2, 8, 18, 8, 20, 36}));
  EXPECT_FALSE(j.requires_grad());
}

TEST(Jacobian, KeepsTheShapesOfBoth) {
  Tensor x(Array::from(Values{1, 2, 3, 4}, {2, 2}));
  Tensor j = jacobian([](const Tensor& in) { return transpose(in, 0, 1); }, x);
  EXPECT_EQ(j.shape(), (Dims{2, 2, 2, 2}));
  EXPECT_EQ(values(j), (Values{1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(jacobian([](const Tensor& in) { return sum(in); }, x).shape(), (Dims{2, 2}));
}

TEST(Jacobian, IsZeroForAConstant) {
  Tensor fixed = vector({7, 8});
  EXPECT_EQ(values(jacobian([&](const Tensor&) { return fixed; }, vector({1}))), (Values{0, 0}));
}

TEST(Jacobian, CanBeDifferentiated) {
  Tensor x(Array::from(Values{1, 2}, {2}), true);
  Tensor j = jacobian([](const Tensor& in) { return in * in * in; }, x, /*create_graph=*/true);
  sum(j).backward();
  EXPECT_EQ(values(x.grad()), (Values{6, 12}));
}

TEST(Hessian, IsTheJacobianOfTheGradient) {
  // x0^2 x1: [[2 x1, 2 x0], [2 x0, 0]]
  auto fn = [](const Tensor& x) { return square(select(x, 0, 0)) * select(x, 0, 1); };
  EXPECT_EQ(values(hessian(fn, vector({3, 5}))), (Values{10, 6, 6, 0}));
  EXPECT_TRUE(contains(error_of([&] {
                         hessian([](const Tensor& x) { return x; }, vector({1, 2}));
                       }),
                       "[hessian] expected a function with a result of one element, got (2,)"));
}

TEST(Products, AgreeWithTheMatrices) {
  auto fn = [](const Tensor& x) { return exp(x) * select(x, 0, 0); };
  Tensor x = vector({0.5, -1, 2});
  Tensor v = vector({1, 2, -1});
  Tensor j = jacobian(fn, x);
  EXPECT_TRUE(test::close_to(values(vjp(fn, x, v).product), values(matmul(v, j)), 1e-12, 1e-12));
  EXPECT_TRUE(test::close_to(values(jvp(fn, x, v).product), values(matmul(j, v)), 1e-12, 1e-12));
  EXPECT_EQ(values(jvp(fn, x, v).value), values(fn(x)));
  auto total = [&](const Tensor& in) { return sum(fn(in)); };
  EXPECT_TRUE(test::close_to(values(hvp(total, x, v).product), values(matmul(hessian(total, x), v)),
                             1e-12, 1e-12));
}

TEST(Products, CheckTheirVectors) {
  auto fn = [](const Tensor& x) { return x * x; };
  EXPECT_EQ(error_of([&] {
              vjp(fn, vector({1, 2}), vector({1}));
            }),
            "[vjp] expected a vector of shape (2,) and f64, got (1,) and f64");
  EXPECT_TRUE(contains(error_of([&] { jvp(fn, vector({1, 2}), vector({1})); }), "[jvp] expected"));
  EXPECT_TRUE(contains(error_of([&] { jacobian(fn, Tensor(Array::arange(3))); }),
                       "[jacobian] expected a floating point tensor, got i64"));
}

}  // namespace
}  // namespace tessera
