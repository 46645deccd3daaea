#include "core/dims.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::error_of;

std::vector<int64_t> values(const Dims& dims) { return {dims.begin(), dims.end()}; }

TEST(Dims, BehavesAsAVectorWhateverItsSize) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    Dims dims;
    std::vector<int64_t> expected;
    for (int step = 0; step < 30; ++step) {
      size_t at = random() % (expected.size() + 1);
      if (random() % 3 == 0 && at < expected.size()) {
        dims.erase(at);
        expected.erase(expected.begin() + static_cast<int64_t>(at));
      } else {
        int64_t value = random() % 100;
        dims.insert(at, value);
        expected.insert(expected.begin() + static_cast<int64_t>(at), value);
      }
      ASSERT_EQ(values(dims), expected);
      ASSERT_EQ(dims.empty(), expected.empty());
      if (!expected.empty()) {
        ASSERT_EQ(dims.back(), expected.back());
      }
    }
  }
}

TEST(Dims, CopiesAndMovesInPlaceAndOnTheHeap) {
  for (size_t size : {0, 1, 6, 7, 20}) {
    Dims original(size, 3);
    Dims copy = original;
    copy.push_back(4);
    EXPECT_EQ(original, Dims(size, 3));
    Dims moved = std::move(copy);
    EXPECT_EQ(moved.size(), size + 1);
    Dims target(10, 1);
    target = std::move(moved);
    EXPECT_EQ(target.back(), 4);
    target = *&target;
    EXPECT_EQ(target.size(), size + 1);
    moved = original;  // a moved-from list is empty and may be used again
    moved.push_back(5);
    EXPECT_EQ(moved.back(), 5);
    EXPECT_EQ(moved.size(), size + 1);
  }
}

TEST(Dims, EqualityComparesSizesAndValues) {
  EXPECT_EQ((Dims{1, 2}), (Dims{1, 2}));
  EXPECT_NE((Dims{1, 2}), (Dims{1, 2, 1}));
  EXPECT_NE((Dims{1, 2}), (Dims{2, 1}));
  EXPECT_EQ(Dims{}, Dims());
}

TEST(Dims, PrintsAsNumPyWritesShapes) {
  EXPECT_EQ(to_string(Dims{}), "()");
  EXPECT_EQ(to_string(Dims{4}), "(4,)");
  EXPECT_EQ(fmt::format("{}", Dims{2, 3, 4}), "(2, 3, 4)");
}

TEST(NumElements, IsTheProduct) {
  EXPECT_EQ(num_elements({}), 1);
  EXPECT_EQ(num_elements({2, 3, 4}), 24);
  EXPECT_EQ(num_elements({2, 0, 4}), 0);
}

TEST(NumElements, RefusesOverflowAndNegativeSizes) {
  int64_t big = int64_t{1} << 40;
  EXPECT_EQ(error_of([&] {
              num_elements({big, big});
            }),
            fmt::format("shape ({}, {}) has more elements than an int64 can count", big, big));
  EXPECT_EQ(num_elements({big, 0, big}), 0);
  EXPECT_EQ(error_of([] { num_elements({2, -1}); }), "negative size in shape (2, -1)");
  EXPECT_EQ(error_of([] { num_elements({0, -1}); }), "negative size in shape (0, -1)");
}

TEST(ContiguousStrides, AreRowMajor) {
  EXPECT_EQ(contiguous_strides({2, 3, 4}), (Dims{12, 4, 1}));
  EXPECT_EQ(contiguous_strides({}), Dims{});
  EXPECT_EQ(contiguous_strides({2, 0, 4}), (Dims{4, 4, 1}));
}

TEST(NormalizeDim, CountsNegativeDimsFromTheEnd) {
  EXPECT_EQ(normalize_dim(-1, 3, "x"), 2U);
  EXPECT_EQ(normalize_dim(-3, 3, "x"), 0U);
  EXPECT_EQ(normalize_dim(2, 3, "x"), 2U);
  EXPECT_EQ(error_of([] { normalize_dim(3, 3, "sum"); }), "[sum] expected a dim in [-3, 3), got 3");
  EXPECT_EQ(error_of([] { normalize_dim(-4, 3, "sum"); }),
            "[sum] expected a dim in [-3, 3), got -4");
  EXPECT_EQ(error_of([] { normalize_dim(0, 0, "sum"); }), "[sum] expected a dim in [0, 0), got 0");
}

TEST(BroadcastShapes, FollowsNumPy) {
  EXPECT_EQ(broadcast_shapes({2, 1, 4}, {3, 1}, "add"), (Dims{2, 3, 4}));
  EXPECT_EQ(broadcast_shapes({}, {3, 1}, "add"), (Dims{3, 1}));
  EXPECT_EQ(broadcast_shapes({0}, {1}, "add"), (Dims{0}));
  EXPECT_EQ(broadcast_shapes({5, 1}, {2, 1, 0}, "add"), (Dims{2, 5, 0}));
  EXPECT_EQ(error_of([] {
              broadcast_shapes({2, 3}, {2, 4}, "add");
            }),
            "[add] shapes (2, 3) and (2, 4) do not broadcast");
  EXPECT_EQ(error_of([] { broadcast_shapes({0}, {2}, "mul"); }),
            "[mul] shapes (0,) and (2,) do not broadcast");
}

}  // namespace
}  // namespace tessera
