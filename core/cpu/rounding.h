// What rounding took from a number that others are compared with.
#pragma once

#include <cmath>

namespace tessera::cpu {

// From here on it is looked at: core/kernels.h says why.
inline constexpr double kLargeBesideOthers = 64;

// large + small - sum, where sum is the rounded large + small and |large| is the larger one; 0
// where |sum| is below `from`, or not finite.
template <class T>
T rounding_rest(T large, T small, T sum, double from = kLargeBesideOthers) {
  if (!(std::abs(sum) >= T(from)) || std::isinf(sum)) return 0;
  return (large - sum) + small;
}

}  // namespace tessera::cpu
