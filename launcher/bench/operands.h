// What operations are measured on.
#pragma once

#include <cmath>
#include <string_view>

#include "autograd/context.h"
#include "autograd/engine.h"
#include "autograd/ops.h"

namespace tessera::bench {

constexpr int64_t kMiB = int64_t{1} << 20;

// Uniform numbers in [low, high): a constant.
inline Tensor random(const Dims& shape, double low = -1, double high = 1) {
  const NoGrad no_history;
  return rand(shape) * (high - low) + low;
}

// The same, collecting a gradient.
inline Tensor random_leaf(const Dims& shape, double low = -1, double high = 1) {
  return Tensor(random(shape, low, high).data(), true);
}

inline void check_near(double value, double expected, double tolerance, std::string_view what) {
  TESSERA_CHECK(std::abs(value - expected) <= tolerance, "{}: expected {}, got {}", what, expected,
                value);
}

// An Error where two results differ by more than that anywhere.
inline void check_close(const Tensor& a, const Tensor& b, float tolerance, std::string_view what) {
  auto left = a.data().to_vector<float>();
  auto right = b.data().to_vector<float>();
  TESSERA_CHECK(left.size() == right.size(), "{}: {} and {} elements", what, left.size(),
                right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    TESSERA_CHECK(std::abs(left[i] - right[i]) <= tolerance,
                  "{}: the results differ at {}: {} and {}", what, i, left[i], right[i]);
  }
}

}  // namespace tessera::bench
