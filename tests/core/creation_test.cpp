#include "core/creation.h"

#include <gtest/gtest.h>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;

using test::Values;

TEST(Creation, CountsUpAndDown) {
  EXPECT_EQ(doubles(arrays::arange(2, 9, 3)), (Values{2, 5, 8}));
  EXPECT_EQ(doubles(arrays::arange(3, 0, -1)), (Values{3, 2, 1}));
  EXPECT_EQ(arrays::arange(0, 3).dtype(), DType::i64);
  EXPECT_EQ(arrays::arange(0, 3.0).dtype(), DType::f32);
  EXPECT_EQ(doubles(arrays::arange(0, 1, 0.25)), (Values{0, 0.25, 0.5, 0.75}));
  EXPECT_EQ(arrays::arange(1, 1).shape(), (Dims{0}));
  EXPECT_EQ(arrays::arange(0, 3, 1, DType::bf16).dtype(), DType::bf16);
  EXPECT_EQ(arrays::arange(INT64_MAX - 2, INT64_MAX).to_vector<int64_t>(),
            (std::vector<int64_t>{INT64_MAX - 2, INT64_MAX - 1}));
  EXPECT_EQ(error_of([] { arrays::arange(0, 3, 0); }),
            "[arange] expected a step that is not 0, got 0");
  EXPECT_EQ(error_of([] { arrays::arange(0, 3, -1); }),
            "[arange] a step of -1 does not lead from 0 to 3");
  EXPECT_NE(error_of([] { arrays::arange(0, NAN); }), "");
  EXPECT_NE(error_of([] { arrays::arange(0.0, 1e300); }), "");
  EXPECT_NE(error_of([] { arrays::arange(INT64_MIN, INT64_MAX); }), "");
}

TEST(Creation, SpacesEvenly) {
  EXPECT_EQ(doubles(arrays::linspace(0, 1, 5)), (Values{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(doubles(arrays::linspace(3, 9, 1)), (Values{3}));
  EXPECT_EQ(arrays::linspace(3, 9, 0).shape(), (Dims{0}));
  EXPECT_EQ(doubles(arrays::linspace(0, 0.3, 4, DType::f64)).back(), 0.3);
  EXPECT_EQ(doubles(arrays::logspace(0, 3, 4, 2)), (Values{1, 2, 4, 8}));
  EXPECT_EQ(error_of([] { arrays::linspace(0, 1, -1); }),
            "[linspace] expected a count of at least 0, got -1");
  EXPECT_EQ(doubles(arrays::linspace(-2, 3, 4, DType::i64)), (Values{-2, 0, 1, 3}));
  EXPECT_EQ(error_of([] { arrays::linspace(0, 1, 2, DType::boolean); }),
            "[linspace] expected a dtype of numbers, got bool");
}

TEST(Creation, Eye) {
  EXPECT_EQ(doubles(arrays::eye(2, 3)), (Values{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(doubles(arrays::eye(3, 2)), (Values{1, 0, 0, 1, 0, 0}));
  EXPECT_EQ(doubles(arrays::eye(2, {}, DType::i64)), (Values{1, 0, 0, 1}));
  EXPECT_EQ(arrays::eye(0).shape(), (Dims{0, 0}));
  EXPECT_EQ(arrays::eye(2, 0).shape(), (Dims{2, 0}));
  EXPECT_NE(error_of([] { arrays::eye(-1); }), "");
}

TEST(Creation, Tri) {
  EXPECT_EQ(doubles(arrays::tri(2)), (Values{1, 0, 1, 1}));
  EXPECT_EQ(doubles(arrays::tri(2, 3)), (Values{1, 0, 0, 1, 1, 0}));
  EXPECT_EQ(doubles(arrays::tri(2, 3, 1)), (Values{1, 1, 0, 1, 1, 1}));
  EXPECT_EQ(doubles(arrays::tri(3, 2, -1)), (Values{0, 0, 1, 0, 1, 1}));
  EXPECT_EQ(doubles(arrays::tri(2, {}, INT64_MAX)), (Values{1, 1, 1, 1}));
  EXPECT_EQ(doubles(arrays::tri(2, {}, INT64_MIN)), (Values{0, 0, 0, 0}));
  EXPECT_EQ(arrays::tri(2, {}, 0, DType::i64).dtype(), DType::i64);
  EXPECT_EQ(arrays::tri(2, 0).shape(), (Dims{2, 0}));
  EXPECT_EQ(error_of([] { arrays::tri(2, -1); }),
            "[tri] expected sizes of at least 0, got 2 and -1");
}

TEST(Creation, FillsLikeOthers) {
  Array x = Array::zeros({2, 3}, DType::i64).transpose(0, 1);
  EXPECT_EQ(arrays::ones_like(x).shape(), (Dims{3, 2}));
  EXPECT_EQ(arrays::ones_like(x).dtype(), DType::i64);
  EXPECT_EQ(arrays::zeros_like(x, DType::f64).dtype(), DType::f64);
  EXPECT_EQ(arrays::empty_like(x).shape(), x.shape());
  // A double could not hold it.
  int64_t odd = (int64_t{1} << 53) + 1;
  EXPECT_EQ(arrays::full_like(x, odd).to_vector<int64_t>(), std::vector<int64_t>(6, odd));
  EXPECT_EQ(arrays::full({2}, true, DType::boolean).to_vector<bool>(),
            (std::vector<bool>{true, true}));
}

TEST(Creation, ReadsNestedLists) {
  EXPECT_EQ(arrays::of({{1, 2, 3}, {4, 5, 6}}).shape(), (Dims{2, 3}));
  EXPECT_EQ(doubles(arrays::of({{1, 2, 3}, {4, 5, 6}})), (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(arrays::of({1, 2}).dtype(), DType::i64);
  EXPECT_EQ(arrays::of({1, 2.5}).dtype(), DType::f32);
  EXPECT_EQ(arrays::of({true, false}).dtype(), DType::boolean);
  EXPECT_EQ(arrays::of({1, 2}, DType::u8).dtype(), DType::u8);
  EXPECT_EQ(arrays::of(7).shape(), (Dims{}));
  EXPECT_EQ(arrays::of({{{1}}, {{2}}}).shape(), (Dims{2, 1, 1}));
}

TEST(Creation, RefusesRaggedLists) {
  EXPECT_EQ(error_of([] {
              arrays::of({{1, 2}, {3}});
            }),
            "[of] the list is ragged: 1 items at depth 1 where shape (2, 2) has 2");
  EXPECT_EQ(error_of([] {
              arrays::of({{1, 2}, 3});
            }),
            "[of] the list is ragged: a number at depth 1 where shape (2, 2) has a list");
  EXPECT_EQ(error_of([] {
              arrays::of({1, {2, 3}});
            }),
            "[of] the list is ragged: a list at depth 1 where shape (2,) has a number");
}

TEST(Creation, BorrowsMemory) {
  std::vector<float> memory{1, 2, 3, 4};
  Array x = arrays::borrow(std::span(memory), {2, 2});
  x.select(0, 1).fill_(9);
  EXPECT_EQ(memory, (std::vector<float>{1, 2, 9, 9}));
  EXPECT_EQ(error_of([&] { arrays::borrow(std::span(memory), {3}); }),
            "[borrow] expected 3 elements for shape (3,), got 4");
}

TEST(Creation, SpacesEndsThatAreFarApart) {
  EXPECT_EQ(doubles(arrays::linspace(-1.5e308, 1.5e308, 3, DType::f64)),
            (Values{-1.5e308, 0, 1.5e308}));
}

TEST(Creation, CountsNoFurtherThanTheDtype) {
  EXPECT_EQ(doubles(arrays::arange(250, 256, 1, DType::u8)).back(), 255);
  EXPECT_EQ(error_of([] { arrays::arange(250, 257, 1, DType::u8); }),
            "[arange] expected a number that u8 holds, got 256");
  EXPECT_EQ(error_of([] { arrays::arange(-1, 2, 1, DType::u8); }),
            "[arange] expected a number that u8 holds, got -1");
  EXPECT_EQ(error_of([] { Array::arange(257, DType::u8); }),
            "[arange] expected a number that u8 holds, got 256");
  EXPECT_EQ(error_of([] { arrays::linspace(0, 300, 4, DType::u8); }),
            "[linspace] expected a number that u8 holds, got 300");
  EXPECT_EQ(error_of([] { arrays::logspace(0, 3, 4, 10, DType::u8); }),
            "[logspace] expected a number that u8 holds, got 1000");
  EXPECT_EQ(doubles(arrays::linspace(-0.5, 255.5, 2, DType::u8)), (Values{0, 255}));
  EXPECT_EQ(doubles(arrays::arange(0, 3, 1.5, DType::boolean)), (Values{0, 1}));
}

}  // namespace
}  // namespace tessera
