#include "core/philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/kernels.h"
#include "core/kernels/random.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::same_bits;

using Counter = std::array<uint32_t, 4>;

// Known answers from Random123's kat_vectors.
TEST(Philox, GivesThePublishedWords) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, BlocksTakeTheWholeCounterAndKey) {
  RandomStream stream{0x299f31d0a4093822, 0x0370734413198a2e};
  EXPECT_EQ(philox_block(stream, 0x85a308d3243f6a88),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
  static_assert(philox({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);
}

TEST(RandomStreams, DifferByEveryPartOfTheirName) {
  std::vector<RandomStream> streams;
  for (uint64_t seed : {0, 1}) {
    for (const char* name : {"", "a", "b", "ab", "blocks.0.weight", "blocks.1.weight"}) {
      streams.push_back(parameter_stream(seed, name));
    }
    for (uint64_t step : {0, 1}) {
      for (uint64_t leaf : {0, 1}) {
        for (const char* path : {"", "a", "blocks.0"}) {
          for (uint64_t call : {0, 1}) {
            streams.push_back(call_stream(seed, step, leaf, path, call));
          }
        }
      }
    }
  }
  std::set<Counter> first_blocks;
  for (const RandomStream& stream : streams) first_blocks.insert(philox_block(stream, 0));
  EXPECT_EQ(first_blocks.size(), streams.size());
  EXPECT_EQ(call_stream(1, 2, 3, "a", 4), call_stream(1, 2, 3, "a", 4));
  EXPECT_EQ(parameter_stream(1, "a"), parameter_stream(1, "a"));
}

// Pinned, so that a change of the numbers (and with it of every run) is seen.
TEST(RandomStreams, KeepTheirNumbers) {
  EXPECT_EQ(parameter_stream(7, "fc.weight").key, 7U);
  Array x = Array::empty({3}, DType::f32);
  kernels({}).random().uniform({0, 0}, 0, 0, 1, x);
  EXPECT_EQ(x.to_vector<float>(),
            (std::vector<float>{0x6627e8p-24F, 0xe169c5p-24F, 0xbc57acp-24F}));
  Array y = Array::empty({2}, DType::f64);
  kernels({}).random().uniform({0, 0}, 0, 0, 1, y);
  EXPECT_EQ(y.to_vector<double>(),
            (std::vector<double>{static_cast<double>(0xe169c58d6627e8d5 >> 11) * 0x1p-53,
                                 static_cast<double>(0x9b00dbd8bc57ac4c >> 11) * 0x1p-53}));
}

TEST(PermuteIndex, IsAPermutationOfEveryCount) {
  for (uint64_t count : {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 64, 65, 100, 255, 256, 257, 1000, 4097}) {
    for (uint64_t seed : {0, 1, 99}) {
      std::vector<bool> taken(count);
      for (uint64_t i = 0; i < count; ++i) {
        uint64_t value = permute_index(seed, i, count);
        ASSERT_LT(value, count);
        ASSERT_FALSE(taken[value]) << "count " << count << " seed " << seed;
        taken[value] = true;
      }
    }
  }
}

TEST(PermuteIndex, ShufflesAndDependsOnTheSeed) {
  int fixed = 0;
  int same = 0;
  double displacement = 0;
  constexpr uint64_t kCount = 10000;
  for (uint64_t i = 0; i < kCount; ++i) {
    uint64_t value = permute_index(1, i, kCount);
    fixed += value == i;
    same += value == permute_index(2, i, kCount);
    displacement += std::abs(static_cast<double>(value) - static_cast<double>(i));
  }
  EXPECT_LT(fixed, 10);  // one is expected
  EXPECT_LT(same, 10);
  EXPECT_NEAR(displacement / kCount / kCount, 1.0 / 3, 0.01);
}

// Each of the 24 orders of four comes equally often over seeds: chi-squared with 23 degrees.
TEST(PermuteIndex, MakesEveryOrderOfFourEquallyOften) {
  std::map<std::string, int> orders;
  constexpr int kSeeds = 24000;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::string order;
    for (uint64_t i = 0; i < 4; ++i) order += static_cast<char>('0' + permute_index(seed, i, 4));
    ++orders[order];
  }
  EXPECT_EQ(orders.size(), 24U);
  double chi_squared = 0;
  for (const auto& [order, count] : orders) {
    chi_squared += (count - kSeeds / 24) * (count - kSeeds / 24) / (kSeeds / 24.0);
  }
  EXPECT_LT(chi_squared, 60);  // exceeded once in 30,000 runs
}

TEST(PermuteIndex, WorksOnTheLargestCounts) {
  for (uint64_t count :
       {uint64_t{1} << 32, (uint64_t{1} << 40) + 1, uint64_t{1} << 63, ~uint64_t{0}}) {
    std::set<uint64_t> values;
    for (uint64_t i = 0; i < 50; ++i) values.insert(permute_index(3, count - 1 - i, count));
    EXPECT_EQ(values.size(), 50U);
    EXPECT_LT(*values.rbegin(), count);
  }
}

TEST(PermuteIndex, RefusesAPositionOutside) {
  EXPECT_EQ(error_of([] { permute_index(0, 5, 5); }),
            "[permute_index] expected a position below 5, got 5");
  EXPECT_EQ(error_of([] { permute_index(0, 0, 0); }),
            "[permute_index] expected a position below 0, got 0");
}

using Draw = void (*)(int64_t first, const Array& out);

constexpr RandomStream kStream{11, 22};
const std::pair<const char*, Draw> kDraws[] = {
    {"uniform", [](int64_t first,
                   const Array& out) { kernels({}).random().uniform(kStream, first, -2, 3, out); }},
    {"normal", [](int64_t first,
                  const Array& out) { kernels({}).random().normal(kStream, first, 1, 2, out); }},
    {"dropout_mask",
     [](int64_t first, const Array& out) {
       kernels({}).random().dropout_mask(kStream, first, 0.25, out);
     }},
};

TEST(RandomNumbers, ARangeHasTheValuesOfTheWhole) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [name, draw] : kDraws) {
      Array whole = Array::empty({40000}, dtype);
      draw(0, whole);
      for (int64_t first : {0, 1, 2, 3, 4, 5, 8190, 8191, 8192, 8193, 20001}) {
        for (int64_t count : {0, 1, 2, 3, 5, 8192, 19000}) {
          Array part = Array::empty({count}, dtype);
          draw(first, part);
          ASSERT_TRUE(same_bits(part, whole.slice(0, first, first + count)))
              << name << " at " << first;
        }
      }
    }
  }
}

TEST(RandomNumbers, AreTheSameForAnyNumberOfThreads) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [name, draw] : kDraws) {
      Array expected;
      for (int threads : test::kThreadCounts) {
        test::Threads guard(threads);
        Array out = Array::empty({3, 33333}, dtype);
        draw(5, out);
        if (!expected.defined()) expected = out;
        EXPECT_TRUE(same_bits(out, expected)) << name << ' ' << threads;
      }
    }
  }
}

// The largest distance between the sample's distribution function and cdf, times sqrt(n):
// above 1.95 once in 1,000 samples.
double kolmogorov_smirnov(std::vector<double> sample, double (*cdf)(double)) {
  std::sort(sample.begin(), sample.end());
  auto n = static_cast<double>(sample.size());
  double worst = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    double p = cdf(sample[i]);
    worst = std::max({worst, std::abs(p - static_cast<double>(i) / n),
                      std::abs(p - static_cast<double>(i + 1) / n)});
  }
  return worst * std::sqrt(n);
}

TEST(RandomNumbers, FollowTheirDistribution) {
  for (DType dtype : {DType::f32, DType::f64}) {
    Array u = Array::empty({100000}, dtype);
    kDraws[0].second(0, u);
    EXPECT_LT(kolmogorov_smirnov(doubles(u), [](double x) { return (x + 2) / 5; }), 1.95);
    for (double value : doubles(u)) ASSERT_TRUE(value >= -2 && value < 3);

    Array n = Array::empty({100000}, dtype);
    kDraws[1].second(0, n);
    EXPECT_LT(
        kolmogorov_smirnov(doubles(n),
                           [](double x) { return 0.5 * std::erfc(-(x - 1) / 2 / std::sqrt(2.0)); }),
        1.95);
    double sum = 0;
    double squares = 0;
    for (double value : doubles(n)) {
      ASSERT_TRUE(std::isfinite(value));
      sum += value;
      squares += value * value;
    }
    double mean = sum / 100000;
    EXPECT_NEAR(mean, 1, 0.025);
    EXPECT_NEAR(std::sqrt(squares / 100000 - mean * mean), 2, 0.018);
  }
}

TEST(RandomNumbers, NeighboursAreUncorrelated) {
  Array n = Array::empty({100000}, DType::f32);
  kernels({}).random().normal(kStream, 0, 0, 1, n);
  std::vector<double> x = doubles(n);
  for (size_t lag : {1, 2, 3, 4, 8}) {
    double sum = 0;
    for (size_t i = lag; i < x.size(); ++i) sum += x[i] * x[i - lag];
    EXPECT_LT(std::abs(sum) / std::sqrt(100000.0), 4) << lag;
  }
}

TEST(RandomNumbers, AreMadeAsFloatsOnly) {
  EXPECT_EQ(error_of([] { kDraws[0].second(0, Array::empty({2}, DType::i64)); }),
            "[uniform] expected f32 or f64, got i64");
}

}  // namespace
}  // namespace tessera
