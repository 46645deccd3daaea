#include <gtest/gtest.h>

#include <cmath>

#include "core/kernels.h"
#include "core/kernels/pool.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::doubles;
using test::random_array;
using test::same_bits;

const PoolFamily& pool() { return kernels({}).pool(); }

TEST(MaxPool, TakesANanAndTheFirstOfEquals) {
  float nan = std::nanf("");
  Array x = Array::from(std::vector<float>{1, 1, nan, 9, 1, 1, 3, nan}, {1, 1, 2, 4});
  Array out = Array::empty({1, 1, 1, 2});
  Array index = Array::empty({1, 1, 1, 2}, DType::i64);
  std::vector<PoolWindow> rows{{0, 2, 1}};
  std::vector<PoolWindow> cols{{0, 2, 1}, {2, 4, 1}};
  pool().max(x, rows, cols, out, index);
  EXPECT_EQ(index.to_vector<int64_t>(), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(doubles(out)[0], 1);
  EXPECT_TRUE(std::isnan(doubles(out)[1]));
}

TEST(MaxPool, ScatterAddsWhereWindowsShareTheirLargest) {
  Array dy = Array::from(std::vector<float>{1, 2, 4}, {1, 1, 1, 3});
  Array index = Array::from(std::vector<int64_t>{1, 1, 3}, {1, 1, 1, 3});
  Array dx = Array::full({1, 1, 2, 2}, 5);
  pool().scatter(dy, index, dx);
  EXPECT_EQ(doubles(dx), (std::vector<double>{0, 3, 0, 4}));
  Array back = Array::empty({1, 1, 1, 3});
  pool().gather(dx, index, back);
  EXPECT_EQ(doubles(back), (std::vector<double>{3, 3, 4}));
}

TEST(Resample, ChannelsLastMemoryGivesTheSameBits) {
  Array x = random_array({2, 3, 5, 4});
  Array last = x.permute({0, 2, 3, 1}).contiguous().permute({0, 3, 1, 2});
  AxisMap rows{{{0, 0.25}, {4, 0.75}}, {{2, 1.0}}};
  AxisMap cols{{{1, 0.5}, {2, 0.5}}, {}, {{3, 2.0}}};
  Array a = Array::empty({2, 3, 2, 3});
  Array b = Array::empty({2, 2, 3, 3}).permute({0, 3, 1, 2});
  pool().resample(x, rows, cols, a);
  pool().resample(last, rows, cols, b);
  EXPECT_TRUE(same_bits(a, b));
  EXPECT_EQ(doubles(a)[1], 0);
}

}  // namespace
}  // namespace tessera
