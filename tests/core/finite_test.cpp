#include "core/finite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/parallel.h"

namespace tessera {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Finite, CountsWhatIsNot) {
  for (DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
    for (int threads : {1, 3}) {
      set_num_threads(threads);
      Array array = Array::full({200000}, 3, dtype);
      EXPECT_TRUE(all_finite(array)) << name(dtype);
      array.select(0, 199999).fill_(std::nan(""));
      EXPECT_FALSE(all_finite(array)) << name(dtype);
      array.select(0, 0).fill_(-kInfinity);
      array.select(0, 70000).fill_(kInfinity);
      EXPECT_EQ(count_nonfinite(array), 3) << name(dtype);
      // A view that is not row-major, and one without them.
      EXPECT_EQ(count_nonfinite(array.slice(0, 0, 200000, 2)), 2) << name(dtype);
      EXPECT_TRUE(all_finite(array.slice(0, 1, 70000))) << name(dtype);
    }
  }
}

TEST(Finite, TheLargestNumbersAreFinite) {
  EXPECT_TRUE(all_finite(Array::full({3}, std::numeric_limits<float>::max())));
  EXPECT_TRUE(all_finite(Array::full({3}, std::numeric_limits<double>::max(), DType::f64)));
  EXPECT_TRUE(all_finite(Array::full({3}, 65504, DType::f16)));
  EXPECT_TRUE(all_finite(Array::full({3}, std::numeric_limits<float>::denorm_min())));
}

TEST(Finite, IntegersAndNothingAre) {
  EXPECT_TRUE(all_finite(Array::full({3}, -1, DType::i64)));
  EXPECT_TRUE(all_finite(Array::empty({0})));
  EXPECT_TRUE(all_finite(Array::empty({3}, DType::f32, {DeviceType::meta})));
}

}  // namespace
}  // namespace tessera
