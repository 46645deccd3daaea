// Linear equations and determinants: singular matrices, forms and errors.
#include "autograd/ops/solve.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::floats;
using test::of;
using test::Values;

Values values(const Tensor& x) { return doubles(x.data()); }

Tensor singular_in_place_2() {
  Tensor x = stack({eye(2), eye(2), ones({2, 2}), zeros({2, 2})});
  return x;
}

TEST(Solve, NamesTheSingularMatrix) {
  EXPECT_EQ(error_of([] {
              solve(singular_in_place_2(), ones({2, 1}));
            }),
            "[solve] expected invertible matrices; matrix 2 of the batch is singular: element 1 in "
            "the diagonal of its factor U is 0");
  EXPECT_EQ(error_of([] {
              inv(zeros({2, 2}));
            }),
            "[inv] expected invertible matrices; the matrix is singular: element 0 in the diagonal "
            "of its factor U is 0");
  EXPECT_TRUE(std::isnan(values(inv(full({2, 2}, NAN)))[0]));
}

TEST(Solve, NamesWhatDoesNotFit) {
  Tensor a = eye(3);
  EXPECT_EQ(error_of([&] {
              solve(a, zeros({2, 3}));
            }),
            "[solve] expected as many rows of b as of a, got a (3, 3) and b (2, 3)");
  EXPECT_EQ(error_of([&] {
              solve(a, zeros({3, 2}), false);
            }),
            "[solve] expected as many columns of b as of a, got a (3, 3) and b (3, 2)");
  EXPECT_EQ(error_of([&] { solve(a, zeros(3), false); }),
            "[solve] expected a matrix b on the left of a, got shape (3,)");
  EXPECT_EQ(error_of([&] {
              solve(a, zeros({3, 2}, DType::f64));
            }),
            "[solve] expected two of one dtype, got f32 and f64");
  EXPECT_TRUE(contains(error_of([&] { solve(zeros({2, 3, 3}), zeros({4, 3, 1})); }), "[solve]"));
  EXPECT_TRUE(contains(error_of([&] {
                         solve_triangular(a, zeros({2, 3}), true);
                       }),
                       "[solve_triangular] expected as many rows"));
}

TEST(SolveTriangular, DividesByZeroWithoutAnError) {
  Values x = values(solve_triangular(zeros({2, 2}), ones({2, 1}), true));
  EXPECT_FALSE(std::isfinite(x[1]));
}

TEST(Solve, IsRightForIllConditionedMatrices) {
  int64_t n = 8;
  Tensor i = arange(0, n, 1, DType::f64);
  Tensor hilbert = 1 / (unsqueeze(i, 1) + i + 1);
  Tensor x = ones({n, 1}, DType::f64);
  Tensor b = matmul(hilbert, x);
  EXPECT_TRUE(close_to(values(matmul(hilbert, solve(hilbert, b))), values(b), 1e-14, 1e-14));
  EXPECT_TRUE(close_to(values(solve(hilbert, b)), values(x), 1e-5, 0));
  EXPECT_NEAR(cond(hilbert).item<double>() / 1.5257575e10, 1, 1e-6);
  EXPECT_EQ(matrix_rank(hilbert).item<int64_t>(), n);
}

TEST(Det, HasTheGradientOfSingularMatricesToo) {
  // Cofactors: of rank 2, of rank 1, and regular ones beside them.
  Tensor x = floats(
      {1, 2, 3, 2, 4, 6, 1, 0, 1, 1, 2, 3, 2, 4, 6, 3, 6, 9, 2, 0, 0, 0, 3, 0, 0, 0, 4}, {3, 3, 3});
  Tensor y = det(x);
  EXPECT_TRUE(close_to(values(y), {0, 0, 24}, 1e-14, 1e-14));
  Values cofactors{4, 4, -4, -2, -2, 2, 0, 0, 0, 0, 0, 0, 0, 0,
                   0, 0, 0,  0,  12, 0, 0, 0, 8, 0, 0, 0, 6};
  sum(y).backward({}, true);
  EXPECT_TRUE(close_to(values(x.grad()), cofactors, 1e-13, 1e-13));
  // The same where the gradient has a history.
  x.set_grad({});
  sum(y).backward({}, true, true);
  EXPECT_TRUE(close_to(values(x.grad()), cofactors, 1e-13, 1e-13));
}

TEST(Det, OfSingularAndEmptyMatrices) {
  SlogDet d = slogdet(singular_in_place_2());
  EXPECT_EQ(values(d.sign), (Values{1, 1, 0, 0}));
  EXPECT_EQ(values(d.logabsdet), (Values{0, 0, -INFINITY, -INFINITY}));
  EXPECT_EQ(values(det(singular_in_place_2())), (Values{1, 1, 0, 0}));
  EXPECT_EQ(det(zeros({0, 0})).item<double>(), 1);
  EXPECT_EQ(values(det(zeros({2, 0, 0}))), (Values{1, 1}));
  // A swap of rows.
  EXPECT_EQ(det(of(DType::f64, {0, 1, 1, 0}).data().view({2, 2})).item<double>(), -1);
  // Beyond the range of a determinant.
  SlogDet huge = slogdet(eye(200) * -1e10);
  EXPECT_EQ(huge.sign.item<double>(), 1);
  EXPECT_NEAR(huge.logabsdet.item<double>(), 200 * std::log(1e10), 1e-2);
}

TEST(Det, HasAGradientOnTheDeviceWithoutElements) {
  Tensor x(Array::empty({2, 3, 3}, DType::f32, Device{DeviceType::meta, 0}), true);
  sum(det(x)).backward();
  EXPECT_EQ(x.grad().shape(), x.shape());
}

TEST(Cond, OfSingularMatrices) {
  for (double p : {1.0, -1.0, double(INFINITY), -double(INFINITY), 2.0}) {
    EXPECT_GE(cond(ones({2, 2}), p).item<double>(), 1e7) << p;
  }
  EXPECT_EQ(cond(zeros({3, 2, 2}), 1).shape(), (Dims{3}));
  EXPECT_TRUE(contains(error_of([] { cond(zeros({2, 2}), 3); }), "[cond] expected p of 1, 2"));
  EXPECT_TRUE(contains(error_of([] { cond(zeros({2, 3}), 1); }), "[cond] expected square"));
}

TEST(LstSq, OfDeficientRankIsTheShortest) {
  Tensor a = floats({1, 1, 2, 2, 3, 3}, {3, 2});
  Tensor b = floats({1, 2, 4}, {3, 1});
  LstSq out = lstsq(a, b);
  // a (1, 1)^T t with t = 17 / 28
  EXPECT_TRUE(close_to(values(out.solution), {17.0 / 28, 17.0 / 28}, 1e-14, 1e-14));
  EXPECT_EQ(out.rank.item<int64_t>(), 1);
  EXPECT_EQ(out.residuals.shape(), (Dims{0}));
  LstSq whole = lstsq(stack({a, floats({1, 0, 0, 1, 0, 0}, {3, 2})}), stack({b, b}));
  EXPECT_EQ(values(whole.rank), (Values{1, 2}));
  EXPECT_TRUE(close_to(values(whole.solution), {17.0 / 28, 17.0 / 28, 1, 2}, 1e-14, 1e-14));
  EXPECT_EQ(values(lstsq(a, squeeze(b, -1), 2.0).solution), (Values{0, 0}));
}

// A matrix is solved as it is alone, whatever lies beside it in the batch.
TEST(LstSq, DecidesByMatrix) {
  Tensor regular = Tensor(test::random_array({3, 2}, DType::f64), true);
  Tensor deficient = floats({1, 1, 2, 2, 3, 3}, {3, 2});
  Tensor b = test::random_array({3, 1}, DType::f64, 2);
  LstSq both = lstsq(stack({regular, deficient, regular}), b);
  LstSq alone = lstsq(regular, b);
  EXPECT_EQ(values(both.rank), (Values{2, 1, 2}));
  EXPECT_EQ(values(select(both.solution, 0, 0)), values(alone.solution));
  EXPECT_EQ(values(select(both.solution, 0, 2)), values(alone.solution));
  EXPECT_TRUE(close_to(values(select(both.solution, 0, 1)), values(lstsq(deficient, b).solution),
                       1e-14, 1e-14));
  Tensor slope = grad({sum(both.solution)}, {regular})[0];
  Tensor once = grad({sum(alone.solution)}, {regular})[0];
  EXPECT_TRUE(close_to(values(slope), values(once * 2), 1e-12, 1e-12));
}

TEST(LstSq, GivesResidualsWhereRowsAreMore) {
  Tensor a = floats({1, 0, 0, 1, 0, 0}, {3, 2});
  LstSq out = lstsq(a, floats({5, 6, 7}));
  EXPECT_EQ(values(out.solution), (Values{5, 6}));
  EXPECT_EQ(values(out.residuals), (Values{49}));
  EXPECT_EQ(lstsq(eye(2), ones({2, 1})).residuals.shape(), (Dims{0}));
  EXPECT_TRUE(contains(error_of([&] {
                         lstsq(a, zeros({2, 1}, DType::f64));
                       }),
                       "[lstsq] expected as many rows of b as of a"));
  EXPECT_TRUE(contains(error_of([&] {
                         lstsq(a, floats({5, 6, 7}), -1);
                       }),
                       "[lstsq] expected rcond"));
}

TEST(Solve, CostsOneFactorizationForManyRightSides) {
  // The same numbers as with a copy of the matrix for each.
  Tensor a(test::random_array({6, 6}, DType::f64));
  Tensor b(test::random_array({5, 6, 2}, DType::f64, 2));
  EXPECT_TRUE(test::same_bits(solve(a, b).data(), solve(expand(a, {5, 6, 6}), b).data()));
}

}  // namespace
}  // namespace tessera
