// What the table of op cases and the golden values do not reach of further arguments: errors, edges
// and changes in place.
#include <gtest/gtest.h>

#include <cmath>

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

TEST(LossArguments, IntegersBesideFloatsAreTargetsOrInputs) {
  Tensor x(Array::from<float>({1.5, 2}, {2}), true);
  Tensor target = of(DType::i32, {1, 4});
  Tensor loss = mse_loss(x, target, Reduction::sum);
  EXPECT_EQ(loss.dtype(), DType::f32);
  EXPECT_EQ(loss.item<float>(), 4.25F);
  loss.backward();
  EXPECT_EQ(doubles(x.grad().data()), (Values{1, -4}));
  EXPECT_EQ(error_of([&] { mse_loss(target, target); }),
            "[mse_loss] expected a floating dtype, got i32 and i32");
  EXPECT_EQ(error_of([&] { l1_loss(target, target); }),
            "[l1_loss] expected a floating dtype for a mean, got i32 and i32");
  EXPECT_EQ(error_of([&] { smooth_l1_loss(target, target, Reduction::mean, 0); }),
            "[smooth_l1_loss] expected a floating dtype for a mean, got i32 and i32");
  EXPECT_EQ(error_of([&] {
              l1_loss(x, of(DType::boolean, {1, 0}));
            }),
            "[l1_loss] expected numbers, got f32 and bool");
  EXPECT_EQ(error_of([&] { huber_loss(target, x); }),
            "[huber_loss] expected an x of a floating dtype, got i32");
  EXPECT_EQ(error_of([&] { binary_cross_entropy_with_logits(x, target); }),
            "[binary_cross_entropy_with_logits] expected floating dtypes, got f32 and i32");
}

TEST(LossArguments, ProbabilitiesOfAnotherDtypePromote) {
  Tensor x(Array::zeros({2, 4}), true);
  Tensor loss = cross_entropy(x, full({2, 4}, 0.25, DType::f64));
  EXPECT_EQ(loss.dtype(), DType::f64);
  EXPECT_NEAR(loss.item<double>(), std::log(4), 1e-15);
  loss.backward();
  EXPECT_EQ(x.grad().dtype(), DType::f32);
  EXPECT_EQ(cross_entropy(to(x, DType::bf16), ones({2, 4})).dtype(), DType::f32);
}

TEST(LossArguments, AWeightHasXsShapeAndTheMeanItsSum) {
  Tensor x = floats({1, 2, 4});
  Tensor target = floats({0, 0, 0});
  Tensor weight = floats({3, 1, 0});
  EXPECT_EQ(doubles(mse_loss(x, target, Reduction::none, weight).data()), (Values{3, 4, 0}));
  EXPECT_EQ(mse_loss(x, target, Reduction::mean, weight).item<double>(), 7.0 / 4);
  EXPECT_EQ(l1_loss(x, target, Reduction::mean, weight).item<double>(), 5.0 / 4);
  EXPECT_EQ(huber_loss(x, target, Reduction::mean, 1, weight).item<double>(), 3.0 / 3);
  EXPECT_EQ(error_of([&] { mse_loss(x, target, Reduction::mean, floats({1})); }),
            "[mse_loss] expected a weight of x's shape (3,), got (1,)");
  EXPECT_EQ(error_of([&] {
              huber_loss(x, target, Reduction::sum, 1, floats({1, 2}));
            }),
            "[huber_loss] expected a weight of x's shape (3,), got (2,)");
  EXPECT_EQ(error_of([&] { l1_loss(x, target, Reduction::batch_mean, weight); }),
            "[l1_loss] expected none, sum or mean, not the batch_mean of kl_div");
}

TEST(AlphaArgument, KeepsIntegersAndRefusesFractionsBesideThem) {
  Tensor x = of(DType::i64, {1, 2});
  // Exact beyond what a double holds.
  int64_t large = (int64_t{1} << 53) + 1;
  EXPECT_EQ(add(x, 1, large).data().to_vector<int64_t>(),
            (std::vector<int64_t>{large + 1, large + 2}));
  EXPECT_EQ(sub(x, x, 3).data().to_vector<int64_t>(), (std::vector<int64_t>{-2, -4}));
  EXPECT_EQ(error_of([&] { add(x, x, 2.5); }),
            "[add] expected an alpha of integers for a result of i64, got 2.5");
  EXPECT_EQ(error_of([&] { add(x, x, true); }),
            "[add] expected an alpha of numbers for a result of i64, got bool");
  EXPECT_EQ(error_of([&] { sub(of(DType::boolean, {1}), x, 2); }),
            "[sub] expected numbers, got bool");
  EXPECT_EQ(error_of([&] { index_add(x, 0, of(DType::i64, {0}), of(DType::i64, {1}), 0.5); }),
            "[index_add] expected an alpha of integers for i64, got 0.5");
  Tensor y = floats({1, 2}).detach();
  add_(y, floats({10, 20}), 0.5);
  EXPECT_EQ(doubles(y.data()), (Values{6, 12}));
  sub_(y, 1, 2);
  EXPECT_EQ(doubles(y.data()), (Values{4, 10}));
  index_add_(y, 0, of(DType::i64, {1, 1}), floats({1, 2}), -2);
  EXPECT_EQ(doubles(y.data()), (Values{4, 4}));
}

TEST(Remainder, OfANumberByATensor) {
  EXPECT_EQ(doubles((7 % of(DType::i64, {2, -3})).data()), (Values{1, -2}));
  EXPECT_EQ(doubles(floor_divide(7, of(DType::i32, {2, -3})).data()), (Values{3, -3}));
  EXPECT_EQ(remainder(7.5, of(DType::i64, {2})).dtype(), DType::f32);
  EXPECT_EQ(error_of([] { remainder(7, of(DType::i64, {0})); }),
            "[remainder] expected integers other than 0 as divisors, got 0");
  EXPECT_EQ(error_of([] { floor_divide(7, of(DType::i64, {0})); }),
            "[floor_divide] expected integers other than 0 as divisors, got 0");
  EXPECT_EQ(error_of([] { fmod(of(DType::i64, {7}), 0); }),
            "[fmod] expected integers other than 0 as divisors, got 0");
  EXPECT_EQ(error_of([] { remainder(true, of(DType::boolean, {1})); }),
            "[remainder] expected numbers, got bool");
}

TEST(Clamp, TakesATensorAndANumber) {
  Tensor x = floats({-1, 0.5, 3}).detach();
  Tensor low = floats({0, 1, 0}).detach();
  EXPECT_EQ(doubles(clamp(x, low, 2).data()), (Values{0, 1, 2}));
  EXPECT_EQ(doubles(clamp(x, -0.5, low).data()), (Values{-0.5, 0.5, 0}));
  EXPECT_EQ(clamp(of(DType::i64, {1}), of(DType::i64, {0}), 0.5).dtype(), DType::f32);
  // The number is rounded to the dtype of the result, not to that of x.
  Tensor half(Array::from<float>({-1}, {1}).to(DType::bf16));
  Tensor single(Array::zeros({1}));
  EXPECT_EQ(clamp(half, -0.1, single).item<float>(), -0.1F);
  EXPECT_EQ(clamp(half, single, -0.1).item<float>(), -0.1F);
  clamp_(x, low, TensorArg());
  EXPECT_EQ(doubles(x.data()), (Values{0, 1, 3}));
}

TEST(Hardtanh, CutsTheBoundsOfIntegers) {
  EXPECT_EQ(doubles(hardtanh(of(DType::i64, {-3, 1, 5}), -1.7, 2.7).data()), (Values{-1, 1, 2}));
  EXPECT_EQ(doubles(hardtanh(of(DType::u8, {0, 9})).data()), (Values{0, 1}));
  EXPECT_EQ(error_of([] { hardtanh(of(DType::boolean, {1})); }),
            "[hardtanh] expected numbers, got bool");
  EXPECT_EQ(doubles(hardtanh(of(DType::i32, {-3, 5}), 0, INFINITY).data()), (Values{0, 5}));
  EXPECT_EQ(doubles(hardtanh(of(DType::u8, {3, 255}), -0.5, 1e300).data()), (Values{3, 255}));
  EXPECT_EQ(hardtanh(of(DType::i64, {7}), -INFINITY, INFINITY).item<int64_t>(), 7);
  Tensor x = of(DType::i32, {-3, 5});
  hardtanh_(x);
  EXPECT_EQ(doubles(x.data()), (Values{-1, 1}));
}

TEST(Normal, TakesANumberForTheMeanOrTheStd) {
  EXPECT_EQ(doubles(normal(floats({1, 2}), 0.0).data()), (Values{1, 2}));
  EXPECT_EQ(doubles(normal(3, Tensor(Array::zeros({2}, DType::bf16))).data()), (Values{3, 3}));
  EXPECT_EQ(normal(ones({2}, DType::bf16), ones({2}, DType::f64)).dtype(), DType::bf16);
  EXPECT_EQ(normal(ones({2}), of(DType::i64, {1, 0})).dtype(), DType::f32);
  EXPECT_EQ(error_of([] { normal(floats({1}), -1.0); }),
            "[normal] expected a std of at least 0, got -1");
  EXPECT_EQ(error_of([] { normal(of(DType::i64, {1}), 1.0); }),
            "[normal] expected a mean of a floating dtype, got i64");
  EXPECT_EQ(error_of([] { normal(1.0, of(DType::i64, {1})); }),
            "[normal] expected a std of a floating dtype, got i64");
}

TEST(Linspace, TakesZeroDimensionalBounds) {
  Tensor one(Array::scalar(1));
  EXPECT_EQ(doubles(linspace(one, 2, 3).data()), (Values{1, 1.5, 2}));
  EXPECT_EQ(doubles(linspace(2, one, 3, DType::f64).data()), (Values{2, 1.5, 1}));
  EXPECT_EQ(doubles(logspace(one, 3, 3, 2).data()), (Values{2, 4, 8}));
  EXPECT_EQ(doubles(logspace(0, one, 2).data()), (Values{1, 10}));
  EXPECT_EQ(error_of([] { linspace(floats({1}), 2, 3); }),
            "[linspace] expected a zero-dimensional bound, got shape (1,)");
}

TEST(Searchsorted, TakesSortersNumbersAndTwoDtypes) {
  Tensor x = of(DType::i64, {5, 1, 3});
  Tensor sorter = of(DType::i64, {1, 2, 0});
  EXPECT_EQ(doubles(searchsorted(x, floats({2.5, 5}), true, true, sorter).data()), (Values{1, 3}));
  EXPECT_EQ(searchsorted(floats({1, 3}), 2, false, true).dtype(), DType::i32);
  EXPECT_EQ(searchsorted(of(DType::i64, {1, 3}), 1.5).item<int64_t>(), 1);
  EXPECT_EQ(error_of([&] {
              searchsorted(x, x, false, false, of(DType::i64, {0, 1}));
            }),
            "[searchsorted] expected a sorter of i64 and shape (3,), got (2,) of i64");
  EXPECT_EQ(error_of([&] {
              searchsorted(x, x, false, false, of(DType::i64, {0, 1, 3}));
            }),
            "[searchsorted] expected indices in [0, 3) in the sorter, got 3");
  EXPECT_EQ(error_of([&] {
              searchsorted(x, x, false, false, of(DType::i64, {0, -1, 2}));
            }),
            "[searchsorted] expected indices in [0, 3) in the sorter, got -1");
  EXPECT_TRUE(contains(error_of([&] {
                         searchsorted(reshape(x, {1, 3}), 2);
                       }),
                       "[searchsorted] expected sorted rows"));
}

TEST(UniqueOp, OfSlicesAlongADim) {
  Tensor x = floats({1, 2, NAN, 0, 0, NAN, 1, 2, 5, 1, 2, 5}, {4, 3});
  Unique found = unique(x, 0);
  EXPECT_EQ(found.values.shape(), (Dims{3, 3}));
  EXPECT_EQ(doubles(found.inverse.data()), (Values{2, 0, 1, 1}));
  EXPECT_EQ(doubles(found.counts.data()), (Values{1, 2, 1}));
  // Slices with a NaN equal nothing, not even themselves.
  Tensor nans = floats({NAN, NAN}, {2, 1});
  EXPECT_EQ(doubles(unique(nans, 0).counts.data()), (Values{1, 1}));
  EXPECT_EQ(unique(ones({0, 3}), 0).values.shape(), (Dims{0, 3}));
  EXPECT_EQ(error_of([] {
              unique(ones({3, 0}), 0);
            }),
            "[unique] expected slices with elements along dim 0, got (3, 0)");
  EXPECT_TRUE(contains(error_of([] { unique(ones({}), 0); }), "[unique]"));
}

TEST(Nonzero, AsATupleIndexesItsTensor) {
  Tensor x = floats({0, 2, 3, 0}, {2, 2});
  std::vector<Tensor> places = nonzero(x, as_tuple);
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(doubles(index(x, {places[0], places[1]}).data()), (Values{2, 3}));
  EXPECT_EQ(nonzero(ones({}), as_tuple).size(), 1u);
}

TEST(Scatter, ReducesWithoutAGradientOfProducts) {
  Tensor x(Array::from<float>({2, 3}, {2}), true);
  Tensor at = of(DType::i64, {0, 0});
  Tensor y = scatter(x, 0, at, Array::from<float>({4, 5}, {2}), ScatterOp::multiply);
  EXPECT_EQ(doubles(y.data()), (Values{40, 3}));
  EXPECT_EQ(error_of([&] { sum(y).backward(); }), "[scatter] products have no gradient");
  EXPECT_EQ(error_of([&] { scatter(x, 0, at, 2.0, ScatterOp::minimum); }),
            "[scatter] expected add or multiply, got another reduction");
  Tensor z = of(DType::i32, {2, 3});
  scatter_(z, 0, at, of(DType::i32, {5, 7}), ScatterOp::multiply);
  EXPECT_EQ(doubles(z.data()), (Values{70, 3}));
}

TEST(EmbeddingArguments, MaxNormScalesTheTableAndFrequencyTheGradient) {
  Tensor table(Array::from<float>({3, 4, 0.3F, 0.4F, 30, 40}, {3, 2}), true);
  Tensor at = of(DType::i64, {0, 1, 0});
  Tensor y = embedding(table, at, {}, 1.0, 2, /*scale_grad_by_freq=*/true);
  EXPECT_TRUE(close_to(doubles(table.data()), {0.6, 0.8, 0.3, 0.4, 30, 40}, 1e-6, 0));
  EXPECT_TRUE(close_to(doubles(y.data()), {0.6, 0.8, 0.3, 0.4, 0.6, 0.8}, 1e-6, 0));
  sum(y).backward();
  EXPECT_EQ(doubles(table.grad().data()), (Values{1, 1, 1, 1, 0, 0}));
  EXPECT_EQ(error_of([&] { embedding(table, of(DType::i64, {3}), {}, 1.0); }),
            "[embedding] expected indices in [0, 3), got 3");
  EXPECT_EQ(error_of([&] { embedding(table, at, {}, -1.0); }),
            "[embedding] expected a max_norm of at least 0, got -1");
  EXPECT_EQ(error_of([&] {
              embedding(ones({2, 2}, DType::i64), of(DType::i64, {0}), {}, 1.0);
            }),
            "[embedding] expected a table of a floating dtype with max_norm, got i64");
  EXPECT_EQ(embedding(table, Array::zeros({0}, DType::i64), {}, 1.0, 2, true).shape(),
            (Dims{0, 2}));
}

TEST(LinearArguments, AWeightOfOneDimTakesNoBias) {
  Tensor x = ones({2, 3});
  EXPECT_EQ(doubles(linear(x, ones({3})).data()), (Values{3, 3}));
  EXPECT_EQ(error_of([&] { linear(x, ones({3}), ones({1})); }),
            "[linear] expected no bias beside a weight of one dim, got (1,)");
  EXPECT_EQ(error_of([&] { linear(x, ones({2})); }),
            "[linear] expected the last dim of x (2, 3) to match the last dim of weight (2,)");
  EXPECT_TRUE(contains(error_of([&] { linear(x, ones({})); }), "[linear] expected the last dim"));
}

TEST(PadArguments, NegativeOnesCutAndLeaveElements) {
  Tensor x = floats({0, 1, 2, 3, 4}, {5});
  EXPECT_EQ(doubles(pad(x, {-3, 3}, PadMode::reflect).data()), (Values{3, 4, 3, 2, 1}));
  EXPECT_EQ(doubles(pad(x, {-6, 2}, PadMode::reflect).data()), (Values{2}));
  EXPECT_EQ(doubles(pad(x, {4, -2}, PadMode::replicate).data()), (Values{0, 0, 0, 0, 0, 1, 2}));
  EXPECT_EQ(doubles(pad(x, {2, -1}, PadMode::circular).data()), (Values{2, 3, 0, 1, 2, 3}));
  EXPECT_EQ(pad(x, {-2, -3}, PadMode::circular).shape(), (Dims{0}));
  EXPECT_EQ(
      error_of([&] {
        pad(x, {-2, -3}, PadMode::reflect);
      }),
      "[pad] expected reflect padding that leaves elements of a dim of size 5, got -2 and -3");
  EXPECT_EQ(error_of([&] {
              pad(x, {-3, 3}, PadMode::circular);
            }),
            "[pad] expected circular padding of at most 2 for a dim of size 5, got -3 and 3");
  EXPECT_NE(error_of([&] { pad(x, {INT64_MIN, 1}, PadMode::replicate); }), "");
  EXPECT_NE(error_of([&] { pad(x, {INT64_MIN, INT64_MAX}, PadMode::circular); }), "");
}

TEST(ConvArguments, PaddingByName) {
  Tensor x = ones({1, 1, 5, 5});
  Tensor w = ones({1, 1, 2, 3});
  EXPECT_EQ(conv2d(x, w, {}, {1}, ConvPadding::same).shape(), (Dims{1, 1, 5, 5}));
  EXPECT_EQ(conv2d(x, w, {}, {2}, ConvPadding::valid).shape(), (Dims{1, 1, 2, 2}));
  // Without an odd sum of padding the layout stays, too.
  Tensor last = permute(contiguous(permute(ones({1, 2, 5, 5}), {0, 2, 3, 1})), {0, 3, 1, 2});
  EXPECT_FALSE(conv2d(last, ones({2, 2, 3, 3}), {}, {1}, ConvPadding::same).data().is_contiguous());
  EXPECT_EQ(error_of([&] { conv2d(x, w, {}, {2}, ConvPadding::same); }),
            "[conv2d] expected a stride of 1 with the padding same, got (2, 2)");
  EXPECT_EQ(error_of([&] {
              conv1d(ones({1, 1, 5}), ones({1, 1, 2}), {}, 2, ConvPadding::same);
            }),
            "[conv1d] expected a stride of 1 with the padding same, got (2,)");
  EXPECT_EQ(error_of([] {
              conv2d(ones({5, 5}), ones({1, 1, 2, 2}));
            }),
            "[conv2d] expected an input (N, C, H, W), or such without the batch, got (5, 5)");
  EXPECT_EQ(error_of([] {
              conv1d(ones({1, 5}, DType::boolean), ones({1, 1, 2}, DType::boolean));
            }),
            "[conv1d] expected numbers, got bool");
}

TEST(PoolArguments, DivisorsSizesAndErrors) {
  Tensor x = ones({1, 4, 4});
  EXPECT_EQ(error_of([&] { avg_pool2d(x, {2}, {}, {0}, false, true, 0); }),
            "[avg_pool2d] expected a divisor_override other than 0");
  EXPECT_EQ(adaptive_avg_pool2d(x, {none, 3}).shape(), (Dims{1, 4, 3}));
  EXPECT_EQ(adaptive_avg_pool2d(x, Dims{2}).shape(), (Dims{1, 2, 2}));
  EXPECT_EQ(error_of([&] {
              adaptive_avg_pool2d(x, {1, 2, 3});
            }),
            "[adaptive_avg_pool2d] expected out_size of one or two sizes, got 3");
  EXPECT_EQ(error_of([&] {
              max_pool2d(ones({4, 4}), {2});
            }),
            "[max_pool2d] expected an input (N, C, H, W), or such without the batch, got (4, 4)");
  EXPECT_EQ(error_of([&] {
              max_pool1d(ones({1, 4}, DType::boolean), 2);
            }),
            "[max_pool1d] expected numbers, got bool");
  EXPECT_EQ(
      error_of([&] {
        adaptive_max_pool1d(of(DType::i64, {1, 2}), 2);
      }),
      "[adaptive_max_pool1d] expected an input (N, C, L), or such without the batch, got (2,)");
  EXPECT_EQ(error_of([&] {
              adaptive_max_pool2d(ones({1, 4, 4}, DType::i64), {2});
            }),
            "[adaptive_max_pool2d] expected a floating dtype, got i64");
  // Integers beyond what a double holds.
  int64_t large = (int64_t{1} << 53) + 1;
  Tensor integers = Array::from<int64_t>({large - 1, large, 1, 2}, {1, 2, 2});
  EXPECT_EQ(max_pool2d(integers, {2}).item<int64_t>(), large);
}

TEST(InterpolateArguments, ScaleFactorsAndErrors) {
  Tensor x = ones({1, 1, 3, 4});
  EXPECT_EQ(interpolate(x, scale_factor(1.5)).shape(), (Dims{1, 1, 4, 6}));
  EXPECT_EQ(interpolate(x, scale_factor({2, 0.5}), Interpolation::area).shape(),
            (Dims{1, 1, 6, 2}));
  EXPECT_EQ(error_of([&] {
              interpolate(x, scale_factor({2, 2, 2}));
            }),
            "[interpolate] expected 2 sizes for x (1, 1, 3, 4), got 3");
  EXPECT_EQ(
      error_of([&] { interpolate(x, scale_factor(-1)); }),
      "[interpolate] expected scale factors above 0 and sizes below 2^30, got -1 for a size of 3");
  EXPECT_EQ(
      error_of([&] { interpolate(x, scale_factor(NAN)); }),
      "[interpolate] expected scale factors above 0 and sizes below 2^30, got nan for a size of 3");
  EXPECT_EQ(error_of([&] { interpolate(x, scale_factor(1e300)); }),
            "[interpolate] expected scale factors above 0 and sizes below 2^30, got 1e+300 for a "
            "size of 3");
  EXPECT_TRUE(contains(error_of([&] { interpolate(x, scale_factor(0.1)); }),
                       "[interpolate] expected sizes of at least 1"));
  EXPECT_EQ(error_of([&] {
              interpolate(x, {2, 2}, Interpolation::nearest, false, true);
            }),
            "[interpolate] expected bilinear or bicubic with antialias, got another mode");
  EXPECT_EQ(error_of([] {
              interpolate(ones({1, 1, 4}, DType::u8), {2}, Interpolation::linear);
            }),
            "[interpolate] expected a floating dtype, got u8");
  EXPECT_EQ(error_of([&] {
              interpolate(to(x, DType::i32), {2, 2});
            }),
            "[interpolate] expected a floating dtype or u8, got i32");
  EXPECT_TRUE(contains(error_of([&] {
                         interpolate(x, {2, 2}, Interpolation::trilinear);
                       }),
                       "[interpolate] expected three dims for linear"));
  EXPECT_TRUE(contains(error_of([] { pixel_shuffle(ones({4, 2}), 2); }), "[pixel_shuffle]"));
}

}  // namespace
}  // namespace tessera
