#include "core/shape.h"

#include <gtest/gtest.h>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using namespace arrays;
using test::doubles;
using test::error_of;

using test::Values;

Array grid() { return Array::arange(6).view({2, 3}); }

TEST(Shape, MovesAxes) {
  Array x = Array::arange(24).view({2, 3, 4});
  EXPECT_EQ(moveaxis(x, {0}, {-1}).shape(), (Dims{3, 4, 2}));
  EXPECT_EQ(moveaxis(x, {0, 1}, {1, 0}).shape(), (Dims{3, 2, 4}));
  EXPECT_EQ(moveaxis(x, {2, 0}, {0, 1}).shape(), (Dims{4, 2, 3}));
  EXPECT_EQ(error_of([&] {
              moveaxis(x, {0, 0}, {1, 2});
            }),
            "[moveaxis] dim 0 is named twice in (0, 0)");
  EXPECT_EQ(error_of([&] {
              moveaxis(x, {0}, {1, 2});
            }),
            "[moveaxis] expected as many dims to move as places, got (0,) and (1, 2)");
}

TEST(Shape, FlattensAndUnflattens) {
  Array x = Array::arange(24).view({2, 3, 4});
  EXPECT_EQ(flatten(x).shape(), (Dims{24}));
  EXPECT_EQ(flatten(x, 1).shape(), (Dims{2, 12}));
  EXPECT_EQ(flatten(x, 0, 1).storage(), x.storage());
  EXPECT_EQ(doubles(flatten(grid().transpose(0, 1))), (Values{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(flatten(Array::scalar(1)).shape(), (Dims{1}));
  EXPECT_EQ(unflatten(x, -1, {2, -1}).shape(), (Dims{2, 3, 2, 2}));
  Array strided = x.transpose(0, 2);
  EXPECT_EQ(doubles(unflatten(strided, 0, {2, 2}).select(0, 1).select(0, 0)),
            doubles(strided.select(0, 2)));
  EXPECT_EQ(error_of([&] { flatten(x, 2, 1); }),
            "[flatten] expected a start that is not behind the end, got 2 and 1");
}

TEST(Shape, CutsPieces) {
  Array x = Array::arange(5);
  auto parts = split(x, 2);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(doubles(parts[2]), (Values{4}));
  EXPECT_EQ(doubles(split(x, {1, 4})[1]), (Values{1, 2, 3, 4}));
  EXPECT_EQ(split(x, {5}).size(), 1u);
  EXPECT_EQ(chunk(x, 2)[0].numel(), 3);
  EXPECT_EQ(chunk(x, 4).size(), 3u);
  EXPECT_EQ(chunk(x, 9).size(), 5u);
  EXPECT_EQ(chunk(Array::zeros({0}), 3).size(), 3u);
  EXPECT_EQ(split(Array::zeros({0}), 3).size(), 1u);
  EXPECT_EQ(doubles(unbind(grid(), 1)[2]), (Values{2, 5}));
  EXPECT_EQ(doubles(narrow(x, 0, -2, 2)), (Values{3, 4}));
  EXPECT_EQ(error_of([&] {
              split(x, {1, 3});
            }),
            "[split] expected sizes that add up to 5, the size of dim 0 of shape (5,), got (1, 3)");
  EXPECT_EQ(error_of([&] { split(x, {2}); }),
            "[split] expected sizes that add up to 5, the size of dim 0 of shape (5,), got (2,)");
  EXPECT_EQ(error_of([&] { split(x, 0); }), "[split] expected a size of at least 1, got 0");
  EXPECT_EQ(error_of([&] { narrow(x, 0, 3, 3); }),
            "[narrow] expected a length in [0, 2] from 3 of dim 0 of shape (5,), got 3");
  EXPECT_EQ(error_of([&] { chunk(x, 0); }), "[chunk] expected at least 1 chunk, got 0");
}

TEST(Shape, SplitsBySizesWithoutOverflow) {
  Array x = Array::arange(5);
  EXPECT_EQ(split(x, INT64_MAX).size(), 1u);
  EXPECT_EQ(chunk(x, INT64_MAX).size(), 5u);
}

TEST(Shape, TakesDiagonals) {
  EXPECT_EQ(doubles(diagonal(grid())), (Values{0, 4}));
  EXPECT_EQ(doubles(diagonal(grid(), 1)), (Values{1, 5}));
  EXPECT_EQ(doubles(diagonal(grid(), -1)), (Values{3}));
  EXPECT_EQ(diagonal(grid(), 7).shape(), (Dims{0}));
  EXPECT_EQ(diagonal(grid(), INT64_MIN).shape(), (Dims{0}));
  Array x = Array::arange(24).view({2, 3, 4});
  EXPECT_EQ(diagonal(x, 0, 2, 0).shape(), (Dims{3, 2}));
  EXPECT_EQ(doubles(diagonal(x, 0, 2, 0).select(0, 1)), (Values{4, 17}));
  EXPECT_EQ(error_of([&] { diagonal(grid(), 0, 1, -1); }),
            "[diagonal] expected two different dims, got 1 and -1");
}

TEST(Shape, UnfoldsWindows) {
  Array x = Array::arange(5);
  EXPECT_EQ(doubles(unfold(x, 0, 3, 1)), (Values{0, 1, 2, 1, 2, 3, 2, 3, 4}));
  EXPECT_EQ(unfold(x, 0, 2, 2).shape(), (Dims{2, 2}));
  EXPECT_EQ(unfold(grid(), 0, 2, 1).shape(), (Dims{1, 3, 2}));
  EXPECT_EQ(unfold(Array::scalar(1), 0, 1, 1).shape(), (Dims{1}));
  EXPECT_EQ(error_of([&] { unfold(x, 0, 6, 1); }),
            "[unfold] expected a size in [0, 5] for dim 0 of shape (5,), got 6");
  EXPECT_EQ(error_of([&] { unfold(x, 0, 2, 0); }), "[unfold] expected a step of at least 1, got 0");
}

TEST(Shape, AsStridedStaysInsideTheStorage) {
  Array x = Array::arange(6);
  EXPECT_EQ(doubles(as_strided(x, {2, 2}, {1, 3}, 1)), (Values{1, 4, 2, 5}));
  EXPECT_EQ(as_strided(x, {0, 100}, {50, 50}, 3).numel(), 0);
  auto outside = [](const Dims& shape, const Dims& strides, int64_t offset) {
    return error_of([&] { as_strided(Array::from<int64_t>({1, 2}, {2}), shape, strides, offset); });
  };
  EXPECT_EQ(outside({2}, {2}, 0),
            "[as_strided] shape (2,) with strides (2,) and offset 0 lies outside the storage of 2 "
            "elements");
  EXPECT_NE(outside({1}, {1}, 2), "");
  EXPECT_NE(outside({3}, {INT64_MAX}, 0), "");
  EXPECT_NE(outside({2}, {-1}, 1), "");
  EXPECT_NE(outside({}, {}, INT64_MAX), "");
  EXPECT_NE(outside({}, {}, -1), "");
}

TEST(Shape, SqueezesWhatIsOne) {
  Array x = Array::zeros({1, 2, 1});
  EXPECT_EQ(squeeze(x).shape(), (Dims{2}));
  EXPECT_EQ(squeeze(x, {0, 1}).shape(), (Dims{2, 1}));
  EXPECT_EQ(squeeze(x, {-1, 0}).shape(), (Dims{2}));
}

TEST(Shape, FlipsAndRolls) {
  EXPECT_EQ(doubles(flip(grid(), {1})), (Values{2, 1, 0, 5, 4, 3}));
  EXPECT_EQ(doubles(flip(grid().transpose(0, 1), {0, 1})), (Values{5, 2, 4, 1, 3, 0}));
  EXPECT_EQ(doubles(flip(Array::scalar(4), {})), (Values{4}));
  EXPECT_EQ(doubles(roll(grid(), {1}, {1})), (Values{2, 0, 1, 5, 3, 4}));
  EXPECT_EQ(doubles(roll(grid(), {-1, 4}, {0, 1})), (Values{5, 3, 4, 2, 0, 1}));
  EXPECT_EQ(doubles(roll(grid(), {2})), (Values{4, 5, 0, 1, 2, 3}));
  EXPECT_EQ(doubles(roll(grid(), {INT64_MAX - 1}, {0})), doubles(grid()));
  EXPECT_NE(error_of([&] { roll(grid(), {INT64_MIN}, {0}); }), "");
  EXPECT_EQ(roll(Array::zeros({0, 2}), {1}, {0}).shape(), (Dims{0, 2}));
  EXPECT_EQ(error_of([&] {
              roll(grid(), {1, 2});
            }),
            "[roll] expected one shift without dims, got (1, 2)");
}

TEST(Shape, RepeatsAndTiles) {
  EXPECT_EQ(doubles(repeat(Array::arange(2), {2, 2})), (Values{0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(repeat(grid(), {0, 1}).shape(), (Dims{0, 3}));
  EXPECT_EQ(doubles(tile(grid(), {2})), (Values{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}));
  EXPECT_EQ(error_of([&] { repeat(grid(), {2}); }),
            "[repeat] expected at least 2 numbers of repeats for shape (2, 3), got (2,)");
  EXPECT_NE(error_of([&] { repeat(grid(), {INT64_MAX, 2}); }), "");
}

TEST(Shape, Joins) {
  EXPECT_EQ(doubles(cat({grid(), grid().slice(1, 0, 1)}, 1)), (Values{0, 1, 2, 0, 3, 4, 5, 3}));
  EXPECT_EQ(cat({Array::zeros({0}), Array::zeros({2, 2})}).shape(), (Dims{2, 2}));
  EXPECT_EQ(doubles(stack({Array::arange(2), Array::arange(2)}, -1)), (Values{0, 0, 1, 1}));
  EXPECT_EQ(error_of([&] {
              cat({grid(), Array::zeros({2, 4}, DType::i64)}, 0);
            }),
            "[cat] expected one shape but for dim 0, got (2, 3) and (2, 4)");
  EXPECT_EQ(error_of([&] {
              cat({grid(), Array::zeros({2, 3})});
            }),
            "[cat] expected one dtype, got i64 and f32");
  EXPECT_EQ(error_of([&] { cat({}); }), "[cat] expected at least one array, got none");
  EXPECT_EQ(error_of([&] {
              stack({grid(), Array::zeros({2}, DType::i64)});
            }),
            "[stack] expected one shape, got (2, 3) and (2,)");
}

TEST(Shape, KeepsTriangles) {
  EXPECT_EQ(doubles(tril(grid())), (Values{0, 0, 0, 3, 4, 0}));
  EXPECT_EQ(doubles(triu(grid(), 1)), (Values{0, 1, 2, 0, 0, 5}));
  EXPECT_EQ(doubles(tril(grid(), INT64_MAX)), doubles(grid()));
  EXPECT_EQ(doubles(tril(grid(), INT64_MIN)), Values(6, 0));
  EXPECT_EQ(error_of([&] { tril(Array::arange(3)); }),
            "[tril] expected at least two dims, got shape (3,)");
}

TEST(Shape, Pads) {
  Array x = Array::arange(3);
  EXPECT_EQ(doubles(pad(x, {1, 2}, PadMode::constant, 9)), (Values{9, 0, 1, 2, 9, 9}));
  EXPECT_EQ(doubles(pad(x, {-1, 1})), (Values{1, 2, 0}));
  EXPECT_EQ(doubles(pad(x, {-3, 1})), (Values{0}));
  EXPECT_EQ(doubles(pad(x, {2, 1}, PadMode::reflect)), (Values{2, 1, 0, 1, 2, 1}));
  EXPECT_EQ(doubles(pad(x, {2, 1}, PadMode::replicate)), (Values{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(doubles(pad(x, {2, 1}, PadMode::circular)), (Values{1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(pad(grid(), {1, 0, 0, 2}).shape(), (Dims{4, 4}));
  EXPECT_EQ(error_of([&] {
              pad(x, {3, 0}, PadMode::reflect);
            }),
            "[pad] expected reflect padding of at most 2 for a dim of size 3, got 3 and 0");
  EXPECT_EQ(error_of([&] { pad(x, {1}); }),
            "[pad] expected a pair of numbers for each of at most 1 dims, got (1,) for shape (3,)");
  EXPECT_NE(error_of([&] { pad(x, {INT64_MAX, INT64_MAX}); }), "");
  EXPECT_NE(error_of([&] { pad(x, {INT64_MIN, INT64_MAX}); }), "");
}

TEST(Shape, PadCutsNoMoreThanThereIs) {
  Array one = Array::from<float>({7}, {1});
  EXPECT_EQ(error_of([&] {
              pad(one, {-2, 2});
            }),
            "[pad] padding (-2, 2) cuts off more than the 1 elements of dim 0 of shape (1,)");
  EXPECT_EQ(error_of([&] {
              pad(one, {2, -2});
            }),
            "[pad] padding (2, -2) cuts off more than the 1 elements of dim 0 of shape (1,)");
  EXPECT_EQ(doubles(pad(one, {-1, 2})), (Values{0, 0}));
}

}  // namespace
}  // namespace tessera
