#include "autograd/ops/scan.h"

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
using test::of;
using test::Values;

TEST(Cumsum, HasThePromotedDtypeOrTheOneAskedFor) {
  for (DType dtype : {DType::i64, DType::i32, DType::u8, DType::boolean}) {
    Tensor x = of(dtype, {1, 0, 1});
    EXPECT_EQ(cumsum(x, 0).dtype(), DType::i64);
    EXPECT_EQ(doubles(cumsum(x, 0).data()), (Values{1, 1, 2}));
    EXPECT_EQ(doubles(cumprod(x, -1).data()), (Values{1, 0, 0}));
    EXPECT_EQ(cumsum(x, 0, DType::f64).dtype(), DType::f64);
    EXPECT_EQ(cumsum(x, 0, DType::i32).dtype(), DType::i32);
  }
  EXPECT_EQ(cumsum(of(DType::bf16, {1, 2}), 0).dtype(), DType::bf16);
  Tensor x = floats({1, 2, 3});
  Tensor y = cumsum(x, 0, DType::f32);
  y.backward(Tensor(Array::full({3}, 1)));
  EXPECT_EQ(doubles(x.grad().data()), (Values{3, 2, 1}));
  EXPECT_EQ(x.grad().dtype(), DType::f64);
}

TEST(Scans, RunAlongAnyDim) {
  Tensor x(Array::arange(6, DType::f64).view({2, 3}));
  EXPECT_EQ(doubles(cumsum(x, 0).data()), (Values{0, 1, 2, 3, 5, 7}));
  EXPECT_EQ(doubles(cumsum(x, -1).data()), (Values{0, 1, 3, 3, 7, 12}));
  EXPECT_EQ(doubles(cumsum(transpose(x, 0, 1), 1).data()), (Values{0, 3, 1, 5, 2, 7}));
  EXPECT_TRUE(
      contains(error_of([&] { cumsum(x, 2); }), "[cumsum] expected a dim in [-2, 2), got 2"));
  EXPECT_TRUE(contains(error_of([&] { cummax(x, -3); }), "[cummax] expected a dim in"));
}

TEST(Scans, TakeZeroDimensionalAndEmptyTensors) {
  Tensor x(Array::scalar(3, DType::f64), true);
  EXPECT_EQ(cumsum(x, 0).shape(), Dims{});
  EXPECT_EQ(cumprod(x, -1).item<double>(), 3);
  EXPECT_EQ(cummax(x, 0).values.shape(), Dims{});
  EXPECT_EQ(cummax(x, 0).indices.item<int64_t>(), 0);
  Tensor nothing(Array::empty({2, 0, 3}, DType::f64), true);
  EXPECT_EQ(cumsum(nothing, 1).shape(), (Dims{2, 0, 3}));
  EXPECT_EQ(cummin(nothing, 1).indices.shape(), (Dims{2, 0, 3}));
  Tensor y = cumprod(nothing, 1);
  y.backward(Tensor(Array::empty({2, 0, 3}, DType::f64)));
  EXPECT_EQ(nothing.grad().shape(), (Dims{2, 0, 3}));
}

TEST(Cumprod, HasTheRightGradientsWhateverIsZero) {
  for (const Values& values :
       {Values{2, 0, 3, 4}, Values{0, 5, 0, 2}, Values{1, 2, 3, 0}, Values{0, 0, 0, 0}}) {
    auto fn = [](const std::vector<Tensor>& in) { return cumprod(in[0], 0); };
    gradcheck(fn, {floats(values)});
    gradgradcheck(fn, {floats(values)});
  }
}

TEST(Cummax, GivesTheLastIndexAndKeepsANan) {
  Tensor x = floats({1, 3, 3, 2, NAN, 9});
  ValuesIndices found = cummax(x, 0);
  EXPECT_TRUE(close_to(doubles(found.values.data()), {1, 3, 3, 3, NAN, NAN}, 0, 0));
  EXPECT_EQ(doubles(found.indices.data()), (Values{0, 1, 2, 2, 4, 4}));
  found.values.backward(Tensor(Array::full({6}, 1, DType::f64)));
  EXPECT_EQ(doubles(x.grad().data()), (Values{1, 1, 2, 0, 2, 0}));
  EXPECT_EQ(doubles(cummin(of(DType::i64, {3, 1, 1, 2}), 0).indices.data()), (Values{0, 1, 2, 2}));
}

TEST(Logcumsumexp, DoesNotOverflowNorDoesItsGradient) {
  Tensor x = floats({1000, -1000, 1000, 0});
  Tensor y = logcumsumexp(x, 0);
  double both = 1000 + std::log(2.0);
  EXPECT_TRUE(close_to(doubles(y.data()), {1000, 1000, both, both}, 0, 1e-15));
  y.backward(Tensor(Array::full({4}, 1, DType::f64)));
  EXPECT_TRUE(close_to(doubles(x.grad().data()), {3, 0, 1, 0}, 1e-12, 0));
  EXPECT_TRUE(contains(error_of([] { logcumsumexp(of(DType::i64, {1}), 0); }),
                       "[logcumsumexp] expected a floating dtype, got i64"));
}

TEST(LinearRecurrence, ChecksItsOperands) {
  Tensor a = floats({9, 2, 3});
  Tensor b = floats({1, 1, 1});
  EXPECT_EQ(doubles(linear_recurrence(a, b, 0).data()), (Values{1, 3, 10}));
  EXPECT_EQ(doubles(linear_recurrence(a, b, 0, true).data()), (Values{28, 3, 1}));
  EXPECT_TRUE(contains(error_of([&] {
                         linear_recurrence(a, floats({1, 2}), 0);
                       }),
                       "[linear_recurrence] expected one shape, got (3,) and (2,)"));
  EXPECT_TRUE(contains(error_of([&] {
                         linear_recurrence(a, of(DType::f32, {1, 2, 3}), 0);
                       }),
                       "[linear_recurrence] expected one floating dtype, got f64 and f32"));
}

TEST(ProductOfOthers, LeavesOneOut) {
  EXPECT_EQ(doubles(product_of_others(floats({2, 3, 0, 5}, {1, 4, 1})).data()),
            (Values{0, 0, 30, 0}));
}

}  // namespace
}  // namespace tessera
