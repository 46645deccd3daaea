#include "core/describe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

Array f64(const std::vector<double>& values) {
  return Array::from(values, {static_cast<int64_t>(values.size())});
}

TEST(Describe, SummarizesTheFiniteElements) {
  Description d = describe(f64({1, NAN, 4, -kInf, 1, NAN, kInf}));
  EXPECT_EQ(d.min, 1);
  EXPECT_EQ(d.max, 4);
  EXPECT_EQ(d.mean, 2);
  EXPECT_EQ(d.std, std::sqrt(2.0));
  EXPECT_EQ(d.nan_count, 2);
  EXPECT_EQ(d.inf_count, 2);
  EXPECT_EQ(to_string(d), "f64 (7,): min 1, max 4, mean 2, std 1.414, 2 NaN, 2 inf");
}

TEST(Describe, HasNoNumbersWithoutFiniteElements) {
  for (const Array& x : {f64({}), f64({NAN, kInf})}) {
    Description d = describe(x);
    for (double value : {d.min, d.max, d.mean, d.std}) EXPECT_TRUE(std::isnan(value));
  }
}

TEST(Describe, NeitherOverflowsNorLosesSmallDeviations) {
  double most = std::numeric_limits<double>::max();
  Description large = describe(f64({most, most, -most, -most}));
  EXPECT_EQ(large.mean, 0);
  EXPECT_EQ(large.std, most);
  EXPECT_EQ(describe(f64({1e9 + 1, 1e9 - 1})).std, 1);
}

TEST(Describe, TakesViewsAndEveryDtype) {
  Array x = Array::arange(6, DType::i32).reshape({2, 3}).transpose(0, 1).slice(0, 0, 3, 2);
  EXPECT_EQ(to_string(describe(x)), "i32 (2, 2): min 0, max 5, mean 2.5, std 1.803, 0 NaN, 0 inf");
  EXPECT_EQ(describe(Array::full({2}, 1, DType::boolean)).mean, 1);
  EXPECT_EQ(describe(Array::full({2}, NAN, DType::bf16)).nan_count, 2);
  EXPECT_EQ(describe(Array::full({2}, 3, DType::f16)).max, 3);
}

TEST(Describe, StreamsAndRefusesUndefined) {
  std::ostringstream out;
  out << describe(f64({2}));
  EXPECT_EQ(out.str(), "f64 (1,): min 2, max 2, mean 2, std 0, 0 NaN, 0 inf");
  EXPECT_EQ(test::error_of([] { describe(Array()); }),
            "[describe] expected an array, got an undefined one");
}

}  // namespace
}  // namespace tessera
