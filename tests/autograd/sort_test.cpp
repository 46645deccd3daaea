#include "autograd/ops/sort.h"

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
using test::grad_of;
using test::of;
using test::random_array;
using test::same_bits;
using test::Values;

TEST(SortOp, IsStableInBothDirectionsWithNanLargest) {
  Tensor x = floats({2, NAN, 1, 2, 1});
  ValuesIndices up = sort(x);
  EXPECT_TRUE(close_to(doubles(up.values.data()), {1, 1, 2, 2, NAN}, 0, 0));
  EXPECT_EQ(doubles(up.indices.data()), (Values{2, 4, 0, 3, 1}));
  EXPECT_EQ(doubles(argsort(x, 0, true).data()), (Values{1, 0, 3, 2, 4}));
  EXPECT_EQ(up.indices.dtype(), DType::i64);
}

TEST(SortOp, RunsAlongAnyDim) {
  Tensor x = floats({3, 1, 2, 0, 5, 4}, {2, 3});
  EXPECT_EQ(doubles(sort(x, 0).values.data()), (Values{0, 1, 2, 3, 5, 4}));
  EXPECT_EQ(doubles(sort(x, -2).indices.data()), (Values{1, 0, 0, 0, 1, 1}));
  EXPECT_EQ(doubles(msort(x).data()), doubles(sort(x, 0).values.data()));
  EXPECT_EQ(doubles(sort(transpose(x, 0, 1)).values.data()), (Values{0, 3, 1, 5, 2, 4}));
  EXPECT_EQ(sort(x, 0).values.data().is_contiguous(), true);
  EXPECT_TRUE(contains(error_of([&] { sort(x, 2); }), "[sort] expected a dim in [-2, 2), got 2"));
}

TEST(SortOp, TakesZeroDimensionalAndEmptyTensors) {
  Tensor x(Array::scalar(3, DType::f64), true);
  EXPECT_EQ(sort(x).values.shape(), Dims{});
  EXPECT_EQ(sort(x, 0).indices.item<int64_t>(), 0);
  EXPECT_EQ(topk(x, 1).values.shape(), Dims{});
  EXPECT_EQ(kthvalue(x, 1).values.shape(), Dims{});
  EXPECT_EQ(mode(x).indices.item<int64_t>(), 0);
  EXPECT_EQ(grad_of(x, median(x, 0).values), Values{1});
  Tensor nothing(Array::empty({2, 0}));
  EXPECT_EQ(sort(nothing).values.shape(), (Dims{2, 0}));
  EXPECT_EQ(sort(nothing, 0).indices.shape(), (Dims{2, 0}));
  EXPECT_EQ(topk(nothing, 0).values.shape(), (Dims{2, 0}));
}

TEST(SortOp, GivesTheGradientToWhereElementsCameFrom) {
  Tensor x = floats({3, 1, 2});
  sort(x).values.backward(Tensor(Array::from(Values{10, 20, 30}, {3})));
  EXPECT_EQ(doubles(x.grad().data()), (Values{30, 10, 20}));
}

TEST(Topk, ChecksK) {
  Tensor x = floats({3, 1, 2, 9}, {2, 2});
  EXPECT_EQ(topk(x, 1, 0).values.shape(), (Dims{1, 2}));
  EXPECT_EQ(doubles(topk(x, 2).values.data()), (Values{3, 1, 9, 2}));
  EXPECT_EQ(doubles(topk(x, 2, -1, false).indices.data()), (Values{1, 0, 0, 1}));
  EXPECT_EQ(topk(x, 0).values.shape(), (Dims{2, 0}));
  EXPECT_TRUE(contains(error_of([&] { topk(x, 3); }), "[topk] expected k in [0, 2], got 3"));
  EXPECT_TRUE(contains(error_of([&] { topk(x, -1); }), "[topk] expected k in [0, 2], got -1"));
}

TEST(Kthvalue, CountsFromOne) {
  Tensor x = floats({5, 1, 3, 4, 4, 4}, {2, 3});
  EXPECT_EQ(doubles(kthvalue(x, 1).values.data()), (Values{1, 4}));
  EXPECT_EQ(doubles(kthvalue(x, 2).indices.data()), (Values{2, 1}));
  EXPECT_EQ(kthvalue(x, 3, 1, true).values.shape(), (Dims{2, 1}));
  for (int64_t k : {0, 4}) {
    EXPECT_TRUE(contains(error_of([&] { kthvalue(x, k); }), "[kthvalue] expected k in [1, 3]"));
  }
  EXPECT_TRUE(contains(error_of([] {
                         kthvalue(Tensor(Array::empty({2, 0})), 1);
                       }),
                       "[kthvalue] expected elements to choose from, got none along dim -1"));
}

TEST(Median, IsTheLowerOneAndTheNan) {
  EXPECT_EQ(median(floats({4, 1, 3, 2})).item<double>(), 2);
  EXPECT_TRUE(std::isnan(median(floats({4, NAN, 3})).item<double>()));
  EXPECT_EQ(nanmedian(floats({4, NAN, 3})).item<double>(), 3);
  EXPECT_TRUE(std::isnan(nanmedian(floats({NAN, NAN})).item<double>()));
  Tensor x = floats({4, NAN, 3, 1, 7, 5}, {2, 3});
  EXPECT_TRUE(close_to(doubles(median(x, 1).values.data()), {NAN, 5}, 0, 0));
  EXPECT_EQ(doubles(median(x, 1).indices.data()), (Values{1, 2}));
  EXPECT_EQ(doubles(nanmedian(x, -1).values.data()), (Values{3, 5}));
  EXPECT_EQ(doubles(nanmedian(x, -1).indices.data()), (Values{2, 2}));
  EXPECT_EQ(median(of(DType::i64, {9, 7, 8})).item<int64_t>(), 8);
}

TEST(Median, SharesTheGradientOrGivesItToTheIndex) {
  Tensor x = floats({2, 1, 2, 3});
  EXPECT_EQ(grad_of(x, median(x)), (Values{0.5, 0, 0.5, 0}));
  x = floats({2, 1, 2, 3});
  EXPECT_EQ(grad_of(x, median(x, 0).values), (Values{1, 0, 0, 0}));
}

TEST(Median, OfNothing) {
  EXPECT_TRUE(std::isnan(median(Tensor(Array::empty({0}))).item<double>()));
  EXPECT_TRUE(contains(error_of([] { median(of(DType::i64, {})); }), "[median] expected elements"));
  EXPECT_TRUE(contains(error_of([] {
                         median(Tensor(Array::empty({2, 0})), 1);
                       }),
                       "[median] expected elements"));
  EXPECT_EQ(median(Tensor(Array::empty({2, 0})), 0).values.shape(), Dims{0});
}

TEST(Mode, IsTheSmallestOfTheMostFrequentAndItsLastIndex) {
  Tensor x = floats({2, 1, 2, 1, 3}, {5});
  EXPECT_EQ(mode(x).values.item<double>(), 1);
  EXPECT_EQ(mode(x).indices.item<int64_t>(), 3);
  EXPECT_EQ(mode(reshape(x, {5, 1}), 0, true).values.shape(), (Dims{1, 1}));
}

TEST(Quantile, InterpolatesByMethod) {
  Tensor x = floats({4, 1, 3, 2});
  auto at = [&](QuantileMethod method) {
    return quantile(x, 0.4, {}, false, method).item<double>();
  };
  EXPECT_DOUBLE_EQ(at(QuantileMethod::linear), 2.2);
  EXPECT_EQ(at(QuantileMethod::lower), 2);
  EXPECT_EQ(at(QuantileMethod::higher), 3);
  EXPECT_EQ(at(QuantileMethod::nearest), 2);
  EXPECT_EQ(at(QuantileMethod::midpoint), 2.5);
  EXPECT_EQ(quantile(x, 0).item<double>(), 1);
  EXPECT_EQ(quantile(x, 1.0).item<double>(), 4);
  Tensor rows = floats({1, 2, 3, 7, NAN, 9}, {2, 3});
  EXPECT_TRUE(close_to(doubles(quantile(rows, 0.5, 1).data()), {2, NAN}, 0, 0));
  EXPECT_EQ(quantile(rows, {0.1, 0.2, 0.3, 0.4}, 0, true).shape(), (Dims{4, 1, 3}));
  EXPECT_EQ(quantile(rows, 0.5, 1, true).shape(), (Dims{2, 1}));
  EXPECT_EQ(
      quantile(floats({INFINITY, INFINITY}), 0.5, {}, false, QuantileMethod::lower).item<double>(),
      INFINITY);
}

TEST(Quantile, ChecksItsArguments) {
  Tensor x = floats({1, 2});
  EXPECT_TRUE(
      contains(error_of([&] { quantile(x, 1.5); }), "[quantile] expected q in [0, 1], got 1.5"));
  EXPECT_TRUE(contains(error_of([&] { quantile(x, NAN); }), "[quantile] expected q in [0, 1]"));
  EXPECT_TRUE(contains(error_of([] { quantile(of(DType::i64, {1}), 0.5); }),
                       "[quantile] expected f32 or f64, got i64"));
  EXPECT_TRUE(
      contains(error_of([] { quantile(floats({}, {0}), 0.5); }), "[quantile] expected elements"));
}

TEST(Searchsorted, TakesOneRowForValuesOfAnyShape) {
  Tensor edges = floats({1, 3, 5});
  Tensor values = floats({0, 1, 2, 5, 6, NAN}, {2, 3});
  EXPECT_EQ(doubles(searchsorted(edges, values).data()), (Values{0, 0, 1, 2, 3, 3}));
  EXPECT_EQ(doubles(searchsorted(edges, values, true).data()), (Values{0, 1, 1, 3, 3, 3}));
  EXPECT_EQ(searchsorted(edges, values).shape(), (Dims{2, 3}));
  EXPECT_EQ(searchsorted(edges, Tensor(Array::scalar(4, DType::f64))).shape(), Dims{});
  EXPECT_EQ(searchsorted(edges, Tensor(Array::scalar(4, DType::f64))).item<int64_t>(), 2);
}

TEST(Searchsorted, BroadcastsRows) {
  Tensor rows = floats({1, 2, 3, 10, 20, 30}, {2, 1, 3});
  Tensor values = floats({2, 15}, {1, 2});
  Tensor out = searchsorted(rows, values);
  EXPECT_EQ(out.shape(), (Dims{2, 1, 2}));
  EXPECT_EQ(doubles(out.data()), (Values{1, 3, 0, 1}));
  EXPECT_TRUE(
      contains(error_of([&] { searchsorted(Tensor(Array::scalar(1)), Tensor(Array::scalar(1))); }),
               "[searchsorted] expected sorted rows"));
  EXPECT_TRUE(contains(error_of([&] {
                         searchsorted(rows, floats({1, 2, 3}, {3, 1, 1}));
                       }),
                       "[searchsorted]"));
}

TEST(UniqueOp, GivesValuesInverseAndCounts) {
  Tensor x = of(DType::i64, {3, 1, 3, 2, 1, 3});
  Unique found = unique(Tensor(x.data().view({2, 3})));
  EXPECT_EQ(doubles(found.values.data()), (Values{1, 2, 3}));
  EXPECT_EQ(doubles(found.inverse.data()), (Values{2, 0, 2, 1, 0, 2}));
  EXPECT_EQ(found.inverse.shape(), (Dims{2, 3}));
  EXPECT_EQ(doubles(found.counts.data()), (Values{2, 1, 3}));
  EXPECT_EQ(found.values.dtype(), DType::i64);
  found = unique(Tensor(Array::empty({0, 2})));
  EXPECT_EQ(found.values.shape(), Dims{0});
  EXPECT_EQ(found.inverse.shape(), (Dims{0, 2}));
  EXPECT_EQ(found.counts.shape(), Dims{0});
  found = unique(floats({NAN, 1, NAN}));
  EXPECT_EQ(found.values.numel(), 3);
  EXPECT_FALSE(found.values.requires_grad());
  for (DType dtype : {DType::boolean, DType::u8, DType::i32, DType::bf16, DType::f16, DType::f32}) {
    EXPECT_EQ(doubles(unique(of(dtype, {1, 0, 1})).values.data()), (Values{0, 1}))
        << fmt::format("{}", dtype);
  }
}

TEST(UniqueOp, PutsALargeTensorTogetherAgain) {
  Tensor x(random_array({400, 100}, DType::f32, 3, 0, 500).to(DType::i32));
  Unique found = unique(x);
  EXPECT_TRUE(same_bits(index_select(found.values, 0, reshape(found.inverse, {-1})).data(),
                        x.data().view({40000})));
  EXPECT_EQ(sum(found.counts).item<int64_t>(), 40000);
}

TEST(BincountOp, CountsOrAddsWeights) {
  for (DType dtype : {DType::i64, DType::i32, DType::u8}) {
    EXPECT_EQ(doubles(bincount(of(dtype, {1, 3, 1})).data()), (Values{0, 2, 0, 1}));
  }
  Tensor x = of(DType::i64, {1, 3, 1});
  EXPECT_EQ(bincount(x).dtype(), DType::i64);
  EXPECT_EQ(doubles(bincount(x, {}, 6).data()), (Values{0, 2, 0, 1, 0, 0}));
  EXPECT_EQ(bincount(x, {}, 2).shape(), Dims{4});
  EXPECT_EQ(bincount(x, of(DType::f32, {1, 2, 3})).dtype(), DType::f32);
  EXPECT_EQ(bincount(x, of(DType::i64, {1, 2, 3})).dtype(), DType::f64);
  EXPECT_EQ(doubles(bincount(x, floats({0.5, 2, 4})).data()), (Values{0, 4.5, 0, 2}));
  EXPECT_EQ(bincount(of(DType::i64, {})).shape(), Dims{0});
  EXPECT_EQ(doubles(bincount(of(DType::i64, {}), {}, 2).data()), (Values{0, 0}));
}

TEST(BincountOp, ChecksItsArguments) {
  Tensor x = of(DType::i64, {1, -3, 1});
  EXPECT_TRUE(contains(error_of([&] { bincount(x); }), "got -3 at 1"));
  EXPECT_TRUE(contains(error_of([&] { bincount(of(DType::i64, {-3})); }), "got -3 at 0"));
  EXPECT_TRUE(contains(error_of([&] { bincount(x, floats({1})); }),
                       "[bincount] expected weights of x's shape (3,), got (1,)"));
  EXPECT_TRUE(contains(error_of([&] { bincount(x, {}, -1); }), "[bincount] expected a minlength"));
  EXPECT_TRUE(contains(error_of([] {
                         bincount(floats({1, 2}));
                       }),
                       "[bincount] expected integers of one dim, got (2,) of f64"));
}

TEST(Quantile, BetweenEndsThatAreFarApart) {
  auto at = [](const Values& values, double q, DType dtype) {
    return doubles(quantile(of(dtype, values), q).data())[0];
  };
  constexpr double kInf = HUGE_VAL;
  EXPECT_EQ(at({-3e38, 3e38}, 0.5, DType::f32), 0);
  EXPECT_EQ(at({-1.5e308, 1.5e308}, 0.5, DType::f64), 0);
  EXPECT_EQ(at({-kInf, 0}, 0.4, DType::f32), -kInf);
  EXPECT_EQ(at({-kInf, 0}, 0.9, DType::f32), -kInf);
  EXPECT_EQ(at({0, kInf}, 0.1, DType::f64), kInf);
  EXPECT_EQ(at({kInf, kInf}, 0.5, DType::f64), kInf);
  EXPECT_EQ(at({1, 3, kInf}, 0.25, DType::f64), 2);
  Tensor x = floats({-kInf, 2});
  EXPECT_EQ(grad_of(x, quantile(x, 0.25)), (Values{0.75, 0.25}));
}

TEST(Extremes, AnInfiniteGradientStaysWithTheLargest) {
  Tensor x = floats({1, 3, 2});
  amax(x).backward(Tensor(Array::full({}, HUGE_VAL, DType::f64)));
  EXPECT_EQ(doubles(x.grad().data()), (Values{0, HUGE_VAL, 0}));
}

}  // namespace
}  // namespace tessera
