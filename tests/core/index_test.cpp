#include "core/index.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using namespace arrays;
using test::doubles;
using test::error_of;
using test::kThreadCounts;
using test::random_array;
using test::same_bits;

using test::Values;

Array ints(std::vector<int64_t> values, Dims shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  return Array::from(values, shape);
}

// Indices in [-limit, limit), many of them repeated.
Array random_index(const Dims& shape, int64_t limit) {
  auto size = static_cast<double>(limit);
  std::vector<int64_t> values;
  for (double u : doubles(random_array(shape, DType::f64, 5, -size, size))) {
    values.push_back(static_cast<int64_t>(std::floor(u)));
  }
  return Array::from(values, shape);
}

const std::vector<DType> kDtypes{DType::f32, DType::f64, DType::bf16, DType::f16,
                                 DType::i64, DType::i32, DType::u8};

TEST(Index, GathersAlongADimOfEveryDtype) {
  for (DType dtype : kDtypes) {
    Array x = Array::arange(6).view({2, 3}).to(dtype);
    EXPECT_EQ(doubles(gather(x, 1, ints({2, 0, -1, 1}, {2, 2}))), (Values{2, 0, 5, 4}));
    EXPECT_EQ(doubles(gather(x, 0, ints({1, 0}, {1, 2}))), (Values{3, 1}));
  }
  Array flags = Array::from<int64_t>({1, 0}, {2}).to(DType::boolean);
  EXPECT_EQ(doubles(gather(flags, 0, ints({1, 0, 0}))), (Values{0, 1, 1}));
}

TEST(Index, GathersFromStridedAndZeroDimensionalArrays) {
  Array x = Array::arange(6).view({2, 3}).transpose(0, 1);
  EXPECT_EQ(doubles(gather(x, 1, ints({1, 0, 1}, {3, 1}))), (Values{3, 1, 5}));
  Array expanded = Array::scalar(7).expand({2, 3});
  EXPECT_EQ(doubles(gather(expanded, 1, ints({1, 0}, {2, 1}))), (Values{7, 7}));
  Array one = gather(Array::scalar(7), 0, Array::scalar(0, DType::i64));
  EXPECT_EQ(one.shape(), (Dims{}));
  EXPECT_EQ(one.item<double>(), 7);
  EXPECT_EQ(gather(Array::zeros({0, 3}), 1, Array::zeros({0, 2}, DType::i64)).shape(),
            (Dims{0, 2}));
}

TEST(Index, ScattersInTheOrderOfTheIndex) {
  Array x = Array::zeros({2, 3});
  scatter_(x, 1, ints({0, 0, 2, -1}, {2, 2}), Array::from<float>({1, 2, 3, 4}, {2, 2}));
  EXPECT_EQ(doubles(x), (Values{2, 0, 0, 0, 0, 4}));
  scatter_(x, 1, ints({0, 0}, {1, 2}), Array::from<float>({10, 20}, {1, 2}), ScatterOp::add);
  EXPECT_EQ(doubles(x), (Values{32, 0, 0, 0, 0, 4}));
  Array y = Array::full({2}, 3, DType::i32);
  scatter_(y, 0, ints({0, 0, 1}), ints({2, 5, 4}).to(DType::i32), ScatterOp::multiply);
  EXPECT_EQ(doubles(y), (Values{30, 12}));
  scatter_(y, 0, ints({0, 1}), ints({2, 50}).to(DType::i32), ScatterOp::minimum);
  EXPECT_EQ(doubles(y), (Values{2, 12}));
  scatter_(y, 0, ints({0, 1}), ints({1, 50}).to(DType::i32), ScatterOp::maximum);
  EXPECT_EQ(doubles(y), (Values{2, 50}));
}

TEST(Index, SumsHalvesInF32AndRoundsOnce) {
  // 256 + 1 is no bf16: added one by one, nothing would arrive.
  Array x = Array::full({1}, 256, DType::bf16);
  Array ones = Array::full({8}, 1, DType::bf16);
  scatter_(x, 0, Array::zeros({8}, DType::i64), ones, ScatterOp::add);
  EXPECT_EQ(doubles(x), (Values{264}));
  Array y = Array::full({1}, 256, DType::bf16);
  index_add_(y, 0, Array::zeros({8}, DType::i64), ones);
  EXPECT_EQ(doubles(y), (Values{264}));
}

TEST(Index, KeepsNaNInMinimumAndMaximum) {
  for (ScatterOp how : {ScatterOp::minimum, ScatterOp::maximum}) {
    Array x = Array::zeros({1}, DType::f64);
    scatter_(x, 0, ints({0, 0}), Array::from<double>({NAN, 3}, {2}), how);
    EXPECT_TRUE(std::isnan(x.item<double>()));
  }
}

TEST(Index, TakesAndPutsWithSeveralBroadcastIndices) {
  Array x = Array::arange(24).view({2, 3, 4});
  Array y = take(x, {ints({0, 1}, {2, 1}), ints({2, 0, -1})});
  EXPECT_EQ(y.shape(), (Dims{2, 3, 4}));
  EXPECT_EQ(doubles(y.select(2, 1)), (Values{9, 1, 9, 21, 13, 21}));
  Array target = Array::zeros({2, 3}, DType::i64);
  put_(target, {ints({0, 0, 1}), ints({1, 1, 2})}, ints({5, 6, 7}));
  EXPECT_EQ(doubles(target), (Values{0, 6, 0, 0, 0, 7}));
  put_(target, {ints({0, 0, 1}), ints({1, 1, 2})}, ints({5, 6, 7}), ScatterOp::add);
  EXPECT_EQ(doubles(target), (Values{0, 17, 0, 0, 0, 14}));
  put_(target, {ints({1})}, Array::scalar(9, DType::i64));
  EXPECT_EQ(doubles(target), (Values{0, 17, 0, 9, 9, 9}));
}

TEST(Index, SelectsAndAddsSlices) {
  Array x = Array::arange(6).view({2, 3});
  EXPECT_EQ(doubles(index_select(x, 1, ints({2, 2, 0}))), (Values{2, 2, 0, 5, 5, 3}));
  EXPECT_EQ(doubles(index_select(x, 0, ints({1}).to(DType::i32))), (Values{3, 4, 5}));
  index_add_(x, 1, ints({0, 0}), Array::full({2, 2}, 10, DType::i64));
  EXPECT_EQ(doubles(x), (Values{20, 1, 2, 23, 4, 5}));
}

TEST(Index, FindsWhatIsNotZero) {
  Array x = Array::from<double>({0, NAN, 2, 0, -0.0, 1}, {2, 3});
  EXPECT_EQ(nonzero(x).shape(), (Dims{3, 2}));
  EXPECT_EQ(doubles(nonzero(x)), (Values{0, 1, 0, 2, 1, 2}));
  EXPECT_EQ(nonzero(Array::scalar(3)).shape(), (Dims{1, 0}));
  EXPECT_EQ(nonzero(Array::zeros({0, 3})).shape(), (Dims{0, 2}));
  EXPECT_EQ(doubles(nonzero(x.transpose(0, 1))), (Values{1, 0, 2, 0, 2, 1}));
}

TEST(Index, SelectsByMaskWithBroadcasting) {
  Array x = Array::arange(6).view({2, 3});
  Array mask = ints({1, 0, 1}).to(DType::boolean);
  EXPECT_EQ(doubles(masked_select(x, mask)), (Values{0, 2, 3, 5}));
  EXPECT_EQ(masked_select(x, Array::zeros({1}, DType::boolean)).shape(), (Dims{0}));
}

TEST(Index, NamesAnIndexOutsideAndWritesNothing) {
  Array x = Array::zeros({2, 3});
  Array bad = ints({0, 1, 3, 2}, {2, 2});
  EXPECT_EQ(error_of([&] { gather(x, 1, bad); }),
            "[gather] expected an index in [-3, 3), got 3 at 2 of (2, 2)");
  Array source = Array::full({2, 2}, 1);
  EXPECT_EQ(error_of([&] { scatter_(x, 1, bad, source); }),
            "[scatter] expected an index in [-3, 3), got 3 at 2 of (2, 2)");
  EXPECT_EQ(error_of([&] {
              put_(x, {ints({0, -3})}, Array::scalar(1));
            }),
            "[index_put] expected an index in [-2, 2), got -3 at 1 of (2,)");
  EXPECT_EQ(error_of([&] {
              take(x, {ints({0}), ints({INT64_MIN})});
            }),
            "[index] expected an index in [-3, 3), got -9223372036854775808 at 0 of (1,)");
  EXPECT_EQ(doubles(x), Values(6, 0));
  // Of several the first is named, whatever thread found it.
  Array many = Array::zeros({100000}, DType::i64);
  many.slice(0, 70000, 90000).fill_(9);
  EXPECT_EQ(error_of([&] { index_select(x, 0, many); }),
            "[index_select] expected an index in [-2, 2), got 9 at 70000 of (100000,)");
  EXPECT_NE(error_of([&] { gather(Array::zeros({2, 0}), 1, ints({0, 0}, {2, 1})); }), "");
}

TEST(Index, RefusesWrongShapesAndDtypes) {
  Array x = Array::zeros({2, 3});
  EXPECT_EQ(error_of([&] {
              gather(x, 1, Array::zeros({2, 1}));
            }),
            "[gather] expected an index of i64 or i32, got f32");
  EXPECT_EQ(error_of([&] { gather(x, 1, ints({0})); }),
            "[gather] expected an index of 2 dims, got (1,) for shape (2, 3)");
  EXPECT_EQ(error_of([&] {
              gather(x, 1, Array::zeros({3, 1}, DType::i64));
            }),
            "[gather] expected an index of at most the sizes of the source except in dim 1, got "
            "(3, 1) for (2, 3)");
  EXPECT_EQ(
      error_of([&] {
        scatter_(x, 1, Array::zeros({2, 2}, DType::i64), Array::zeros({2, 1}));
      }),
      "[scatter] expected an index of at most the sizes of the source, got (2, 2) for (2, 1)");
  EXPECT_EQ(error_of([&] {
              index_add_(x, 1, ints({0}), Array::zeros({2, 2}));
            }),
            "[index_add] expected a source of shape (2, 1), got (2, 2)");
  EXPECT_EQ(error_of([&] { put_(x, {ints({0})}, Array::zeros({5})); }),
            "[index_put] shapes (1, 3) and (5,) do not broadcast");
  EXPECT_EQ(error_of([&] {
              put_(x, {ints({0})}, Array::zeros({2, 3}));
            }),
            "[index_put] expected values that broadcast to (1, 3), got (2, 3)");
  EXPECT_EQ(error_of([&] { masked_select(x, x); }),
            "[masked_select] expected a mask of bool, got f32");
}

// Sums in the plain order of the index, against every number of threads and several layouts.
TEST(Index, AddsInOneOrderForAnyNumberOfThreads) {
  for (Dims rest : {Dims{}, Dims{3}, Dims{700}}) {
    Dims shape{50};
    Dims values_shape{30000};
    if (rest == Dims{700}) values_shape = {300};
    for (int64_t size : rest) {
      shape.push_back(size);
      values_shape.push_back(size);
    }
    Array index = random_index({values_shape[0]}, 50);
    Array values = random_array(values_shape);
    Array expected = Array::zeros(shape);
    int64_t width = num_elements(rest);
    for (int64_t i = 0; i < index.numel(); ++i) {
      int64_t row = (index.data<int64_t>()[i] + 50) % 50;
      for (int64_t j = 0; j < width; ++j) {
        expected.data<float>()[row * width + j] += values.data<float>()[i * width + j];
      }
    }
    for (int threads : kThreadCounts) {
      test::Threads guard(threads);
      Array out = Array::zeros(shape);
      put_(out, {index}, values, ScatterOp::add);
      EXPECT_TRUE(same_bits(out, expected)) << threads << " threads, rest " << to_string(rest);
    }
  }
}

TEST(Index, ScatterAddAgreesWithPlainLoopsAlongEveryDim) {
  for (int64_t dim : {0, 1, 2}) {
    Dims shape{7, 20, 300};
    Dims index_shape{5, 19, 290};
    index_shape[static_cast<size_t>(dim)] = 40;
    Array index = random_index(index_shape, shape[static_cast<size_t>(dim)]);
    Array values = random_array(index_shape);
    Array expected = Array::zeros(shape);
    int64_t i = 0;
    for (int64_t a = 0; a < index_shape[0]; ++a) {
      for (int64_t b = 0; b < index_shape[1]; ++b) {
        for (int64_t c = 0; c < index_shape[2]; ++c, ++i) {
          int64_t at[3] = {a, b, c};
          int64_t size = shape[static_cast<size_t>(dim)];
          at[dim] = (index.data<int64_t>()[i] + size) % size;
          expected.data<float>()[(at[0] * shape[1] + at[1]) * shape[2] + at[2]] +=
              values.data<float>()[i];
        }
      }
    }
    for (int threads : kThreadCounts) {
      test::Threads guard(threads);
      Array out = Array::zeros(shape);
      scatter_(out, dim, index, values, ScatterOp::add);
      EXPECT_TRUE(same_bits(out, expected)) << threads << " threads, dim " << dim;
      Array back = gather(out, dim, index);
      EXPECT_EQ(back.shape(), index_shape);
      Array strided = out.permute({2, 1, 0}).clone().permute({2, 1, 0});
      EXPECT_TRUE(same_bits(gather(strided, dim, index), back));
    }
  }
}

}  // namespace
}  // namespace tessera
