// Factors of matrices: extreme inputs, forms and errors.
#include "autograd/ops/decompositions.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
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

using Op = std::function<void(const Tensor&)>;
struct Named {
  const char* name;
  Op op;
};
// Those of any shape, and those of square ones.
const Named kAny[] = {{"qr", [](const Tensor& x) { qr(x); }},
                      {"svd", [](const Tensor& x) { svd(x); }},
                      {"svdvals", [](const Tensor& x) { svdvals(x); }},
                      {"pinv", [](const Tensor& x) { pinv(x); }},
                      {"matrix_rank", [](const Tensor& x) { matrix_rank(x); }},
                      {"cond", [](const Tensor& x) { cond(x); }}};
const Named kSquare[] = {
    {"cholesky", [](const Tensor& x) { cholesky(x); }},
    {"eigh", [](const Tensor& x) { eigh(x); }},
    {"eigvalsh", [](const Tensor& x) { eigvalsh(x); }},
    {"inv", [](const Tensor& x) { inv(x); }},
    {"det", [](const Tensor& x) { det(x); }},
    {"slogdet", [](const Tensor& x) { slogdet(x); }},
    {"solve", [](const Tensor& x) { solve(x, x); }},
    {"solve_triangular", [](const Tensor& x) { solve_triangular(x, x, true); }},
    {"matrix_exp", [](const Tensor& x) { matrix_exp(x); }}};

TEST(Decompositions, NameDtypesAndShapesThatTheyDoNotTake) {
  auto check = [](const Named& one) {
    SCOPED_TRACE(one.name);
    for (DType dtype : {DType::bf16, DType::f16, DType::i64, DType::boolean}) {
      EXPECT_EQ(error_of([&] {
                  one.op(zeros({2, 2}, dtype));
                }),
                fmt::format("[{}] expected f32 or f64, got {}", one.name, dtype));
    }
    EXPECT_EQ(error_of([&] { one.op(zeros(3)); }),
              fmt::format("[{}] expected a matrix or a batch of them, got shape (3,)", one.name));
  };
  for (const Named& one : kAny) check(one);
  for (const Named& one : kSquare) {
    check(one);
    EXPECT_EQ(error_of([&] {
                one.op(zeros({2, 3}));
              }),
              fmt::format("[{}] expected square matrices, got shape (2, 3)", one.name));
  }
}

TEST(Decompositions, TakeEmptyMatricesAndBatches) {
  for (const Dims& shape : {Dims{0, 0}, Dims{0, 3, 3}, Dims{2, 0, 0}}) {
    for (const Named& one : kAny) EXPECT_EQ(error_of([&] { one.op(zeros(shape)); }), "");
    for (const Named& one : kSquare) EXPECT_EQ(error_of([&] { one.op(zeros(shape)); }), "");
  }
  Svd f = svd(zeros({3, 0}));
  EXPECT_EQ(values(f.u), values(eye(3)));
  EXPECT_EQ(f.s.shape(), (Dims{0}));
  EXPECT_EQ(f.vh.shape(), (Dims{0, 0}));
  EXPECT_EQ(svd(zeros({2, 0, 3}), false).vh.shape(), (Dims{2, 0, 3}));
  EXPECT_EQ(values(qr(zeros({3, 0}), QrMode::complete).q), values(eye(3)));
  EXPECT_EQ(qr(zeros({0, 3})).r.shape(), (Dims{0, 3}));
  EXPECT_EQ(pinv(zeros({4, 2, 0})).shape(), (Dims{4, 0, 2}));
  EXPECT_EQ(matrix_rank(zeros({4, 2, 0})).shape(), (Dims{4}));
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  EXPECT_EQ(error_of([] {
              cholesky(of(DType::f64, {1, 2, 2, 1}).data().view({2, 2}));
            }),
            "[cholesky] expected positive definite matrices; of the matrix, the leading minor of "
            "order 2 is not positive");
  EXPECT_TRUE(contains(error_of([] { cholesky(zeros({2, 2})); }), "order 1"));
  EXPECT_TRUE(contains(error_of([] { cholesky(full({2, 2}, NAN)); }), "order 1"));
  // One triangle alone is read.
  Tensor lower = floats({4, 9, 2, 5}, {2, 2});
  EXPECT_EQ(values(cholesky(lower)), (Values{2, 0, 1, 2}));
  EXPECT_EQ(values(cholesky(transpose(lower, 0, 1), true)), (Values{2, 1, 0, 2}));
}

TEST(Eigh, ReadsOneTriangle) {
  Tensor lower = floats({2, 100, 0, 3}, {2, 2});
  EXPECT_EQ(values(eigvalsh(lower)), (Values{2, 3}));
  EXPECT_EQ(values(eigvalsh(transpose(lower, 0, 1), true)), (Values{2, 3}));
  EXPECT_EQ(error_of([] {
              eigh(full({1, 1}, INFINITY));
            }),
            "[eigh] expected finite numbers, got inf at (0, 0) of the matrix");
}

TEST(Svd, OfARankDeficientMatrix) {
  Tensor x = floats({1, 2, 2, 4, 3, 6}, {3, 2});
  Svd f = svd(x);
  EXPECT_TRUE(close_to(values(f.s), {std::sqrt(70), 0}, 1e-14, 1e-14));
  EXPECT_EQ(f.u.shape(), (Dims{3, 3}));
  // Values alone have a gradient all the same, and so have equal ones.
  f.s[0].backward();
  EXPECT_TRUE(close_to(values(x.grad() * std::sqrt(70)), values(x), 1e-13, 1e-13));
  Tensor same(eye(3, {}, DType::f64).data(), true);
  sum(svdvals(same)).backward();
  EXPECT_TRUE(close_to(values(same.grad()), values(eye(3)), 1e-14, 1e-14));
}

TEST(Qr, CompleteOfMoreRowsHasNoGradient) {
  Tensor x = floats({1, 2, 2, 4, 3, 5}, {3, 2});
  Tensor r = qr(x, QrMode::complete).r;
  EXPECT_EQ(r.shape(), (Dims{3, 2}));
  EXPECT_TRUE(contains(error_of([&] { sum(r).backward(); }),
                       "[qr] a complete decomposition of more rows than columns has no gradient, "
                       "got shape (3, 2)"));
}

TEST(Pinv, CountsWhatIsAboveTheTolerance) {
  Tensor x = diag(of(DType::f64, {4, 1, 1e-20}));
  EXPECT_EQ(matrix_rank(x).item<int64_t>(), 2);
  EXPECT_EQ(matrix_rank(x, {.rtol = 0.5}).item<int64_t>(), 1);
  EXPECT_EQ(matrix_rank(x, {.atol = 1e-30}).item<int64_t>(), 3);
  EXPECT_EQ(matrix_rank(neg(x), {.atol = 1}, true).item<int64_t>(), 1);
  EXPECT_TRUE(close_to(values(diagonal(pinv(x))), {0.25, 1, 0}, 1e-15, 1e-15));
  EXPECT_EQ(values(pinv(zeros({2, 3}))), Values(6));
  EXPECT_EQ(matrix_rank(zeros({2, 3})).item<int64_t>(), 0);
  EXPECT_TRUE(contains(error_of([&] { pinv(x, {.rtol = -1}); }), "[pinv] expected tolerances"));
}

TEST(MatrixPower, OfExtremeExponents) {
  Tensor x = of(DType::i64, {1, 1, 1, 0}).data().view({2, 2});
  EXPECT_EQ(values(matrix_power(x, 10)), (Values{89, 55, 55, 34}));
  EXPECT_EQ(values(matrix_power(x, 0)), (Values{1, 0, 0, 1}));
  EXPECT_EQ(values(matrix_power(eye(2), INT64_MIN)), (Values{1, 0, 0, 1}));
  EXPECT_EQ(error_of([&] { matrix_power(x, -1); }),
            "[matrix_power] expected f32 or f64 for a negative power, got i64");
}

TEST(MatrixExp, OfLargeAndSmallNorms) {
  for (double scale : {1e-300, 1e-9, 1.0, 50.0, 700.0}) {
    Tensor x = diag(of(DType::f64, {-scale, scale}));
    EXPECT_TRUE(close_to(values(diagonal(matrix_exp(x))), {std::exp(-scale), std::exp(scale)},
                         1e-300, 2e-12));
  }
  // A rotation, however often it goes round.
  Tensor turn = floats({0, -300, 300, 0}, {2, 2});
  EXPECT_TRUE(close_to(values(matrix_exp(turn)),
                       {std::cos(300), -std::sin(300), std::sin(300), std::cos(300)}, 1e-11, 0));
  // Matrices do not change with what stands beside them.
  Tensor both = stack({turn, eye(2, {}, DType::f64)});
  EXPECT_TRUE(test::same_bits(matrix_exp(both)[0].data(), matrix_exp(turn).data()));
  EXPECT_TRUE(std::isnan(values(matrix_exp(full({2, 2}, NAN)))[0]));
  EXPECT_FALSE(std::isfinite(values(matrix_exp(full({2, 2}, INFINITY)))[0]));
  matrix_exp(full({2, 2}, 1e308, DType::f64));
}

TEST(MatrixExp, HasTheGradientOfAnyScale) {
  Tensor x(Array::full({1, 1}, 1), true);
  sum(matrix_exp(x) * 1e9).backward();
  EXPECT_NEAR(values(x.grad())[0] / 1e9, std::exp(1.0), 1e-5);
}

}  // namespace
}  // namespace tessera
