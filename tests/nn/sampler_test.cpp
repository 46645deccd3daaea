#include "nn/data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tests/support/error_of.h"

namespace tessera::data {
namespace {

using test::error_of;

std::vector<int64_t> epoch(const Sampler& sampler, int64_t size, int64_t number) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < size; ++i) out.push_back(sampler.index_at(number * size + i));
  return out;
}

TEST(Sampler, EveryEpochIsAPermutation) {
  for (int64_t size : {1, 2, 3, 7, 64, 65, 1000}) {
    Sampler sampler(1, size);
    std::vector<int64_t> all(static_cast<size_t>(size));
    std::iota(all.begin(), all.end(), 0);
    for (int64_t number : {0, 1, 2, 1000000}) {
      std::vector<int64_t> indices = epoch(sampler, size, number);
      std::sort(indices.begin(), indices.end());
      EXPECT_EQ(indices, all) << size << ", epoch " << number;
    }
  }
}

TEST(Sampler, EpochsAndSeedsDiffer) {
  Sampler sampler(1, 100);
  std::vector<int64_t> first = epoch(sampler, 100, 0);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  EXPECT_NE(first, epoch(sampler, 100, 1));
  EXPECT_NE(first, epoch(Sampler(2, 100), 100, 0));
  EXPECT_NE(epoch(sampler, 100, 1), epoch(Sampler(2, 100), 100, 0));
}

TEST(Sampler, DependsOnThePositionOnly) {
  Sampler forward(7, 50);
  Sampler backward(7, 50);
  std::vector<int64_t> a;
  std::vector<int64_t> b;
  for (int64_t i = 0; i < 130; ++i) a.push_back(forward.index_at(i));
  for (int64_t i = 130; i-- > 0;) b.push_back(backward.index_at(i));
  std::reverse(b.begin(), b.end());
  EXPECT_EQ(a, b);
}

// Each sample comes first about equally often: no index is stuck to its place.
TEST(Sampler, SpreadsFirstPlaces) {
  constexpr int64_t kSize = 10;
  constexpr int64_t kEpochs = 5000;
  Sampler sampler(3, kSize);
  std::vector<int> counts(kSize);
  for (int64_t e = 0; e < kEpochs; ++e) {
    ++counts[static_cast<size_t>(sampler.index_at(e * kSize))];
  }
  for (int count : counts) EXPECT_NEAR(count, kEpochs / kSize, 110);
}

TEST(Sampler, RefusesNoDataAndNoPosition) {
  EXPECT_EQ(error_of([] { Sampler(1, 0); }), "[Sampler] the dataset is empty");
  EXPECT_EQ(error_of([] { Sampler(1, 5).index_at(-1); }),
            "[Sampler] expected a position of at least 0, got -1");
}

}  // namespace
}  // namespace tessera::data
