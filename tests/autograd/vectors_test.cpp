// Lengths and products of vectors: extreme numbers and errors.
#include "autograd/ops/vectors.h"

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
using test::grad_of;
using test::of;
using test::Values;

Values values(const Tensor& x) { return doubles(x.data()); }

// 3 and 4 times what the dtype takes from one end of its range to the other.
struct Extreme {
  DType dtype;
  double unit;
};
const Extreme kExtremes[] = {{DType::f32, 1e30},  {DType::f32, 7e37},   {DType::f32, 1e-30},
                             {DType::f32, 1e-38}, {DType::f64, 1e300},  {DType::f64, 1e-300},
                             {DType::bf16, 1e30}, {DType::bf16, 1e-30}, {DType::f16, 1e4}};

TEST(Normalize, IsRightForAnyFiniteNumbers) {
  for (auto [dtype, unit] : kExtremes) {
    SCOPED_TRACE(fmt::format("{} {}", dtype, unit));
    Tensor x = of(dtype, {3 * unit, -4 * unit, 3, 4});
    Tensor rows = reshape(x, {2, 2});
    Tensor y = normalize(rows, 2, 1, 0);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_TRUE(close_to(values(y), {0.6, -0.8, 0.6, 0.8}, 4e-3, 4e-3));
    EXPECT_TRUE(close_to(
        values(normalize(rows, 3, 1, 0)),
        {3 / std::cbrt(91), -4 / std::cbrt(91), 3 / std::cbrt(91), 4 / std::cbrt(91)}, 4e-3, 4e-3));
  }
  // Shorter than eps: as long as x / eps.
  EXPECT_TRUE(
      close_to(values(normalize(of(DType::f32, {1e-30, -1e-30}), 2, 0)), {1e-18, -1e-18}, 0, 1e-6));
}

TEST(Normalize, LeavesOrdinaryRowsTheirBits) {
  Tensor rows(test::random_array({4, 50}));
  Tensor extreme = clone(rows);
  extreme[2] *= 1e30;
  Tensor alone = normalize(rows);
  Tensor beside = normalize(extreme);
  for (int64_t i : {0, 1, 3}) EXPECT_TRUE(test::same_bits(alone[i].data(), beside[i].data()));
  EXPECT_TRUE(close_to(values(alone[2]), values(beside[2]), 1e-6, 1e-6));
}

TEST(Normalize, GradientsAtExtremesAndAtZero) {
  for (double unit : {1e30, 1e-25}) {
    Tensor x(of(DType::f32, {3 * unit, 4 * unit}).data(), true);
    Tensor y = normalize(x, 2, 0, 0);
    y.backward(Tensor(Array::from<float>({1, 0}, {2})));
    // (1 - 0.36, -0.48) / (5 unit)
    EXPECT_TRUE(close_to(doubles((x.grad() * unit).data()), {0.128, -0.096}, 1e-6, 1e-5)) << unit;
  }
  Tensor zero = floats({0, 0});
  EXPECT_EQ(grad_of(zero, normalize(zero, 2, 0, 0.5)), (Values{2, 2}));
  EXPECT_EQ(values(normalize(of(DType::f16, {0, 0}), 2, 0)), (Values{0, 0}));
}

TEST(Normalize, NamesWhatItCannotTake) {
  EXPECT_EQ(error_of([] { normalize(of(DType::i64, {1})); }),
            "[normalize] expected a floating dtype, got i64");
  EXPECT_TRUE(contains(error_of([] { normalize(floats({3, 4})); }), "[normalize]"));
  EXPECT_TRUE(contains(error_of([] { normalize(zeros({2, 2}), 2, {0, 0}); }), "named twice"));
  EXPECT_EQ(normalize(zeros({0, 3}), 2, 0).shape(), (Dims{0, 3}));
}

TEST(CosineSimilarity, StaysBetweenMinusOneAndOne) {
  for (auto [dtype, unit] : kExtremes) {
    SCOPED_TRACE(fmt::format("{} {}", dtype, unit));
    Tensor a = of(dtype, {3 * unit, 4 * unit});
    EXPECT_NEAR(cosine_similarity(a, a, 0, 0).item<double>(), 1, 4e-3);
    EXPECT_NEAR(cosine_similarity(a, neg(a), 0, 0).item<double>(), -1, 4e-3);
    EXPECT_NEAR(cosine_similarity(a, of(dtype, {1, 0}), 0, 0).item<double>(), 0.6, 4e-3);
  }
  EXPECT_EQ(cosine_similarity(floats({0, 0}), floats({1, 2}), 0).item<double>(), 0);
}

TEST(CosineSimilarity, PromotesAndNamesErrors) {
  EXPECT_EQ(cosine_similarity(of(DType::i64, {1, 2}), of(DType::f32, {1, 2}), 0).dtype(),
            DType::f32);
  EXPECT_EQ(error_of([] { cosine_similarity(of(DType::i64, {1}), of(DType::u8, {1}), 0); }),
            "[cosine_similarity] expected a common dtype that is floating, got i64 and u8");
  EXPECT_TRUE(contains(error_of([] {
                         cosine_similarity(zeros({2, 3}), zeros({2, 2}));
                       }),
                       "[cosine_similarity]"));
  EXPECT_TRUE(
      contains(error_of([] { cosine_similarity(zeros({2}), zeros({2})); }), "[cosine_similarity]"));
}

TEST(Products, NameWhatDoesNotFit) {
  EXPECT_EQ(error_of([] {
              inner(zeros({2, 3}), zeros({2}));
            }),
            "[inner] expected last dims of one size, got a (2, 3) and b (2,)");
  EXPECT_EQ(error_of([] { inner(of(DType::f32, {1}), of(DType::f64, {1})); }),
            "[inner] expected two of one dtype, of numbers, got f32 and f64");
  EXPECT_EQ(error_of([] { vecdot(of(DType::i64, {1}), of(DType::i64, {1})); }),
            "[vecdot] expected two of one floating dtype, got i64 and i64");
  EXPECT_EQ(error_of([] {
              cross(zeros({2, 3}), zeros({3}));
            }),
            "[cross] expected as many dims of a as of b, got (2, 3) and (3,)");
  EXPECT_EQ(error_of([] {
              cross(zeros({2, 2}), zeros({2, 2}));
            }),
            "[cross] expected a dim of size 3, got a (2, 2) and b (2, 2)");
  EXPECT_EQ(error_of([] {
              cross(zeros({2, 3}), zeros({2, 3}), 0);
            }),
            "[cross] expected size 3 in dim 0, got a (2, 3) and b (2, 3)");
  EXPECT_EQ(values(cross(of(DType::u8, {1, 2, 3}), of(DType::u8, {3, 2, 1}))),
            (Values{252, 8, 252}));
}

TEST(Products, AddedOnesCheckShapesAndFactors) {
  Tensor nan(Array::full({2}, NAN));
  EXPECT_EQ(values(addmv(nan, ones({2, 3}), ones({3}), 0)), (Values{3, 3}));
  EXPECT_EQ(error_of([&] {
              addmv(nan, ones({2, 3}), ones({2}));
            }),
            "[addmv] expected a (M, K) and x (K,), got (2, 3) and (2,)");
  EXPECT_EQ(error_of([&] {
              addmv(zeros({3}), ones({2, 3}), ones({3}));
            }),
            "[addmv] shapes (3,) and (2,) do not broadcast");
  Tensor i = of(DType::i64, {1, 2});
  EXPECT_EQ(values(addr(of(DType::i64, {0, 0}), i, i, 1, 2)), (Values{2, 4, 4, 8}));
  EXPECT_EQ(error_of([&] { addr(i, i, i, 1, 2.5); }),
            "[addr] expected integers for beta and alpha with tensors of i64, got 1 and 2.5");
  EXPECT_EQ(error_of([&] {
              addbmm(zeros({2, 2}), zeros({2, 2, 3}), zeros({1, 3, 2}));
            }),
            "[addbmm] expected a (B, M, K) and b (B, K, N), got (2, 2, 3) and (1, 3, 2)");
  EXPECT_EQ(error_of([&] {
              addmv(i, ones({2, 3}), ones({3}));
            }),
            "[addmv] expected c of f32, as a and b are, got i64");
  Tensor c = zeros({2, 2});
  addr_(c, ones({2}), ones({2}));
  addbmm_(c, ones({3, 2, 1}), ones({3, 1, 2}));
  addmv_(c[0], ones({2, 1}), ones({1}));
  EXPECT_EQ(values(c), (Values{5, 5, 4, 4}));
}

}  // namespace
}  // namespace tessera
