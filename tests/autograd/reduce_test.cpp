#include "autograd/ops/reduce.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradcheck.h"
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
using test::grad_of;
using test::of;
using test::random_array;
using test::same_bits;
using test::Values;

TEST(Sum, HasThePromotedDtypeOrTheOneAskedFor) {
  for (DType dtype : {DType::i64, DType::i32, DType::u8, DType::boolean}) {
    Tensor x = of(dtype, {1, 1, 0, 1});
    EXPECT_EQ(sum(x).dtype(), DType::i64);
    EXPECT_EQ(sum(x).item<int64_t>(), 3);
    EXPECT_EQ(prod(x).dtype(), DType::i64);
    EXPECT_EQ(nansum(x, 0).dtype(), DType::i64);
    EXPECT_EQ(sum(x, 0, false, DType::f32).dtype(), DType::f32);
    EXPECT_EQ(mean(x, {}, false, DType::f64).item<double>(), 0.75);
  }
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    EXPECT_EQ(sum(of(dtype, {1, 2})).dtype(), dtype);
    EXPECT_EQ(mean(of(dtype, {1, 2})).dtype(), dtype);
    EXPECT_EQ(mean(of(dtype, {1, 2})).item<double>(), 1.5);
  }
  EXPECT_EQ(sum(of(DType::i64, {200, 100}), {}, false, DType::u8).item<int64_t>(), 300 - 256);
  EXPECT_EQ(sum(of(DType::f64, {1.75, 1.75}), {}, false, DType::i32).item<int64_t>(), 2);
  EXPECT_TRUE(contains(error_of([] { mean(of(DType::i64, {1})); }),
                       "[mean] expected a floating dtype, got i64"));
}

TEST(Sum, ConvertsItsGradientBack) {
  Tensor x = floats({1, 2, 3});
  Tensor y = sum(x, {}, false, DType::f32);
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_EQ(grad_of(x, y), (Values{1, 1, 1}));
  EXPECT_EQ(x.grad().dtype(), DType::f64);
}

TEST(Sum, TakesDimsAsANumberAsAListAndNone) {
  Tensor x(Array::arange(24, DType::f64).view({2, 3, 4}));
  EXPECT_EQ(sum(x).shape(), Dims{});
  EXPECT_EQ(sum(x, {}).shape(), Dims{});
  EXPECT_EQ(sum(x, {}, true).shape(), (Dims{1, 1, 1}));
  EXPECT_EQ(sum(x, Dims{}).shape(), Dims{});
  EXPECT_EQ(sum(x, 0).shape(), (Dims{3, 4}));
  EXPECT_EQ(sum(x, {0}).shape(), (Dims{3, 4}));
  EXPECT_EQ(sum(x, -1, true).shape(), (Dims{2, 3, 1}));
  EXPECT_EQ(sum(x, {-1, 0}).shape(), Dims{3});
  EXPECT_EQ(amax(x, {2, 0}, true).shape(), (Dims{1, 3, 1}));
  EXPECT_EQ(doubles(sum(x, {0, 2}).data()), (Values{60, 92, 124}));
  EXPECT_EQ(doubles(prod(x, {0, 2}).data())[2], 8. * 9 * 10 * 11 * 20 * 21 * 22 * 23);
  EXPECT_TRUE(contains(error_of([&] { sum(x, 3); }), "[sum] expected a dim in [-3, 3), got 3"));
  EXPECT_TRUE(contains(error_of([&] { prod(x, {0, -3}); }), "[prod] dim 0 is named twice"));
  EXPECT_TRUE(contains(error_of([&] { std(x, {0, 5}); }), "[std] expected a dim in"));
}

TEST(Sum, TakesAZeroDimensionalTensorAlongDimZero) {
  Tensor x(Array::scalar(3, DType::f64), true);
  for (int64_t dim : {0, -1}) {
    EXPECT_EQ(sum(x, dim).item<double>(), 3);
    EXPECT_EQ(amax(x, dim).item<double>(), 3);
    EXPECT_EQ(max(x, dim).indices.item<int64_t>(), 0);
    EXPECT_EQ(max(x, dim).values.shape(), Dims{});
    EXPECT_EQ(argmin(x, dim).shape(), Dims{});
    EXPECT_EQ(logsumexp(x, dim).item<double>(), 3);
  }
  EXPECT_EQ(grad_of(x, max(x, 0).values), Values{1});
  EXPECT_TRUE(contains(error_of([&] { sum(x, 1); }), "[sum] expected a dim in [-1, 1), got 1"));
  // Not x's own elements.
  EXPECT_NE(sum(x).data().storage(), x.data().storage());
}

TEST(Sum, OfNothingIsNeutral) {
  Tensor x(Array::empty({2, 0}), true);
  EXPECT_EQ(sum(x).item<double>(), 0);
  EXPECT_EQ(prod(x).item<double>(), 1);
  EXPECT_EQ(doubles(prod(x, 1).data()), (Values{1, 1}));
  EXPECT_TRUE(std::isnan(mean(x).item<double>()));
  EXPECT_TRUE(std::isnan(var(x).item<double>()));
  EXPECT_EQ(norm(x).item<double>(), 0);
  EXPECT_EQ(logsumexp(x).item<double>(), -INFINITY);
  EXPECT_EQ(sum(x, 0).shape(), Dims{0});
  EXPECT_EQ(count_nonzero(x, 1).shape(), Dims{2});
  EXPECT_EQ(grad_of(x, prod(x)).size(), 0U);
}

TEST(Nansum, SkipsNanAndSoDoesItsGradient) {
  Tensor x = floats({1, NAN, 3, NAN}, {2, 2});
  EXPECT_EQ(doubles(nansum(x, 1).data()), (Values{1, 3}));
  EXPECT_EQ(grad_of(x, nansum(x)), (Values{1, 0, 1, 0}));
  EXPECT_EQ(nansum(floats({NAN})).item<double>(), 0);
}

TEST(Prod, HasTheRightGradientsWhateverIsZero) {
  for (const Values& values :
       {Values{2, 0, 3}, Values{0, 5, 0}, Values{0, 0, 0}, Values{2, 3, 4}}) {
    auto fn = [](const std::vector<Tensor>& in) { return prod(in[0]); };
    gradcheck(fn, {floats(values)});
    gradgradcheck(fn, {floats(values)});
    auto rows = [](const std::vector<Tensor>& in) { return prod(in[0], {0, 2}); };
    Tensor x = floats({1, 0, 2, 3, 0, 0, 4, 5}, {2, 2, 2});
    gradcheck(rows, {x});
    gradgradcheck(rows, {x});
  }
  Tensor x = floats({2, 0, 3});
  EXPECT_EQ(grad_of(x, prod(x)), (Values{0, 6, 0}));
}

TEST(AllAndAny, CountANanAsTrue) {
  Tensor x = floats({0, NAN, 1, 2}, {2, 2});
  EXPECT_EQ(all(x).dtype(), DType::boolean);
  EXPECT_EQ(doubles(all(x, 1).data()), (Values{0, 1}));
  EXPECT_EQ(doubles(any(x, 1).data()), (Values{1, 1}));
  EXPECT_EQ(doubles(count_nonzero(x, 0).data()), (Values{1, 2}));
  EXPECT_EQ(count_nonzero(x).dtype(), DType::i64);
  EXPECT_EQ(all(of(DType::u8, {3, 1})).dtype(), DType::u8);
  EXPECT_EQ(all(of(DType::u8, {3, 1})).item<int64_t>(), 1);
  EXPECT_EQ(all(of(DType::i64, {})).item<int64_t>(), 1);
  EXPECT_EQ(any(of(DType::i64, {})).item<int64_t>(), 0);
  EXPECT_FALSE(any(x).requires_grad());
}

TEST(Var, IsNanWithoutDegreesOfFreedom) {
  EXPECT_TRUE(std::isnan(var(floats({3})).item<double>()));
  EXPECT_EQ(var(floats({3}), {}, 0).item<double>(), 0);
  EXPECT_EQ(var(floats({1, 3}), {}, 5).item<double>(), INFINITY);
  EXPECT_EQ(var(floats({1, 3, 5})).item<double>(), 4);
  EXPECT_EQ(std(floats({1, 3, 5})).item<double>(), 2);
  EXPECT_EQ(std(floats({1, 3}), {}, 0).item<double>(), 1);
  VarMean found = var_mean(floats({1, 3, 5, 7}, {2, 2}), 1, 1, true);
  EXPECT_EQ(doubles(found.var.data()), (Values{2, 2}));
  EXPECT_EQ(doubles(found.mean.data()), (Values{2, 6}));
  EXPECT_EQ(found.var.shape(), (Dims{2, 1}));
  EXPECT_TRUE(contains(error_of([] {
                         var(of(DType::i64, {1, 2}));
                       }),
                       "[var] expected a floating dtype, got i64"));
}

TEST(Var, DoesNotCancelFarFromZero) {
  Tensor x(Array::from(std::vector<float>{1e6F, 1e6F + 1, 1e6F + 2}, {3}));
  EXPECT_EQ(var(x).item<double>(), 1);
  EXPECT_EQ(var(of(DType::bf16, {256, 258, 260})).item<double>(), 4);
}

TEST(Std, HasNoGradientWhereAllAreEqual) {
  Tensor x = floats({2, 2, 1, 3}, {2, 2});
  EXPECT_TRUE(close_to(grad_of(x, std(x, 1)), {0, 0, -M_SQRT1_2, M_SQRT1_2}, 1e-12, 0));
}

TEST(Norm, TakesAnyOrder) {
  Tensor x = floats({3, -4, 0});
  EXPECT_EQ(norm(x).item<double>(), 5);
  EXPECT_EQ(norm(x, 1).item<double>(), 7);
  EXPECT_EQ(norm(x, 0).item<double>(), 2);
  EXPECT_EQ(norm(x, INFINITY).item<double>(), 4);
  EXPECT_EQ(norm(x, -INFINITY).item<double>(), 0);
  EXPECT_EQ(norm(x, -1).item<double>(), 0);
  EXPECT_TRUE(std::isnan(norm(floats({NAN, 1}), INFINITY).item<double>()));
  for (double p : {-1.0, double{INFINITY}, -double{INFINITY}}) {
    EXPECT_TRUE(
        contains(error_of([&] { norm(floats({}, {0}), p); }), "[norm] expected elements for the"));
  }
}

TEST(Norm, HasGradientZeroWhereItHasNoSlope) {
  for (double p : {0.5, 1.0, 2.0, 3.0, double{INFINITY}}) {
    Tensor zero = floats({0, 0});
    EXPECT_EQ(grad_of(zero, norm(zero, p)), (Values{0, 0})) << p;
  }
  Tensor x = floats({3, 0, -4});
  EXPECT_TRUE(close_to(grad_of(x, norm(x)), {0.6, 0, -0.8}, 1e-15, 0));
  x = floats({4, -4, 2});
  EXPECT_EQ(grad_of(x, norm(x, INFINITY)), (Values{0.5, -0.5, 0}));
  x = floats({4, 5});
  EXPECT_EQ(grad_of(x, norm(x, 0)), (Values{0, 0}));
}

TEST(Logsumexp, TakesInfinities) {
  EXPECT_EQ(logsumexp(floats({-INFINITY, -INFINITY})).item<double>(), -INFINITY);
  EXPECT_EQ(logsumexp(floats({INFINITY, 1})).item<double>(), INFINITY);
  Tensor x = floats({1000, 1000, -INFINITY});
  Tensor y = logsumexp(x);
  EXPECT_DOUBLE_EQ(y.item<double>(), 1000 + std::log(2.0));
  EXPECT_TRUE(close_to(grad_of(x, y), {0.5, 0.5, 0}, 1e-12, 0));
}

TEST(Extremes, ShareTheGradientOrGiveItToTheIndex) {
  Values values{3, 1, 3, 0};
  Tensor x = floats(values);
  EXPECT_EQ(grad_of(x, amax(x)), (Values{0.5, 0, 0.5, 0}));
  x = floats(values);
  EXPECT_EQ(grad_of(x, max(x)), (Values{0.5, 0, 0.5, 0}));
  x = floats(values);
  EXPECT_EQ(grad_of(x, max(x, 0).values), (Values{1, 0, 0, 0}));
  x = floats(values);
  EXPECT_EQ(grad_of(x, min(x, 0).values), (Values{0, 0, 0, 1}));
  x = floats({1, 1, 2, 2}, {2, 2});
  EXPECT_EQ(grad_of(x, amin(x, {0, 1})), (Values{0.5, 0.5, 0, 0}));
}

TEST(Extremes, GiveTheFirstIndexAndTheNan) {
  Tensor x = floats({1, 5, 5, NAN, 7, NAN}, {2, 3});
  ValuesIndices found = max(x, -1);
  EXPECT_TRUE(close_to(doubles(found.values.data()), {5, NAN}, 0, 0));
  EXPECT_EQ(doubles(found.indices.data()), (Values{1, 0}));
  EXPECT_EQ(found.indices.dtype(), DType::i64);
  EXPECT_EQ(argmax(x).item<int64_t>(), 3);
  EXPECT_EQ(argmin(x).item<int64_t>(), 3);
  EXPECT_EQ(doubles(argmin(x, 0).data()), (Values{1, 0, 1}));
  EXPECT_EQ(argmax(x, 1, true).shape(), (Dims{2, 1}));
  EXPECT_EQ(argmax(x, {}, true).shape(), (Dims{1, 1}));
  EXPECT_TRUE(std::isnan(max(x).item<double>()));
  MinMax both = aminmax(floats({4, 2, 9}));
  EXPECT_EQ(both.min.item<double>(), 2);
  EXPECT_EQ(both.max.item<double>(), 9);
}

TEST(Extremes, TakeAllDtypes) {
  for (DType dtype : {DType::i64, DType::i32, DType::u8, DType::bf16, DType::f16, DType::f32}) {
    Tensor x = of(dtype, {2, 7, 1});
    EXPECT_EQ(max(x).dtype(), dtype);
    EXPECT_EQ(max(x).item<int64_t>(), 7);
    EXPECT_EQ(min(x, 0).values.item<int64_t>(), 1);
    EXPECT_EQ(min(x, 0).indices.item<int64_t>(), 2);
  }
  EXPECT_EQ(max(of(DType::boolean, {0, 1})).dtype(), DType::boolean);
  EXPECT_EQ(max(of(DType::i64, {INT64_MIN, INT64_MIN})).item<int64_t>(), INT64_MIN);
}

TEST(Extremes, OfNothingAreErrors) {
  Tensor x(Array::empty({2, 0}));
  EXPECT_TRUE(contains(error_of([&] { max(x); }),
                       "[max] expected elements to choose from, got none along dims () of (2, 0)"));
  EXPECT_TRUE(contains(error_of([&] { amin(x, 1); }), "[amin] expected elements"));
  EXPECT_TRUE(contains(error_of([&] { argmax(x, 1); }), "[argmax] expected elements"));
  EXPECT_TRUE(contains(error_of([&] { aminmax(x); }), "[aminmax] expected elements"));
  EXPECT_TRUE(contains(error_of([&] { min(x, -1); }), "[min] expected elements"));
  EXPECT_EQ(amax(x, 0).shape(), Dims{0});
  EXPECT_EQ(max(x, 0).indices.shape(), Dims{0});
}

TEST(Extremes, TakeExpandedAndStridedTensors) {
  Tensor row = floats({3, 9, 4});
  Tensor x = expand(row, {5, 3});
  EXPECT_EQ(doubles(argmax(x, 1).data()), Values(5, 1));
  EXPECT_EQ(grad_of(row, amax(x, 1)), (Values{0, 5, 0}));
  Tensor wide(random_array({40, 70}, DType::f64));
  EXPECT_TRUE(same_bits(amax(transpose(wide, 0, 1), 0).data(), amax(wide, 1).data()));
  // Sums along rows and along columns differ in order, so in bits; one along one dim does not
  // depend on the layout.
  Tensor tall = transpose(wide, 0, 1);
  EXPECT_TRUE(same_bits(norm(tall, 3, 0).data(), norm(contiguous(tall), 3, 0).data()));
  EXPECT_TRUE(
      close_to(doubles(norm(tall, 3, 0).data()), doubles(norm(wide, 3, 1).data()), 0, 1e-14));
}

}  // namespace
}  // namespace tessera
