// Moments of elements for which the usual way rounds too much: squares that overflow or vanish,
// and means whose last digit is not small beside the deviations from them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/cpu/rounding.h"

namespace tessera::cpu {

// Of `scale` times the elements, where scale is a power of two.
struct ExactMoments {
  double scale;
  double mean, rest;  // the mean is their sum
  double var;         // biased; the mean square unless centered

  double rstd(double eps) const { return 1 / std::sqrt(var + eps * scale * scale); }
};

// A power of two that brings the largest of magnitudes to about 1; 1 for zero and what is not
// finite.
inline double scale_to_one(double largest) {
  if (!(largest > 0) || std::isinf(largest)) return 1;
  return std::ldexp(1.0, -std::max(std::ilogb(largest), -1022));
}

// Sums of term(i), i below n, in lanes of their own.
template <class F>
double lane_sum(int64_t n, const F& term) {
  constexpr int64_t kLanes = 8;
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) sums[l] += term(i + l);
  }
  for (int64_t l = 0; i < n; ++i, ++l) sums[l] += term(i);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// Of elements at(i) of type T, i below n, which is at least 1.
template <class T, class At>
ExactMoments exact_moments(int64_t n, bool centered, const At& at) {
  ExactMoments m{1, 0, 0, 0};
  // The squares of a float are within the range of a double.
  if constexpr (std::is_same_v<T, double>) {
    double largest = 0;
    for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(at(i)));
    m.scale = scale_to_one(largest);
  }
  auto count = static_cast<double>(n);
  auto value = [&](int64_t i) { return static_cast<double>(at(i)) * m.scale; };
  if (centered) {
    m.mean = lane_sum(n, value) / count;
    m.rest = lane_sum(n, [&](int64_t i) { return value(i) - m.mean; }) / count;
  }
  m.var = lane_sum(n,
                   [&](int64_t i) {
                     double apart = (value(i) - m.mean) - m.rest;
                     return apart * apart;
                   }) /
          count;
  return m;
}

// Elements of an array: `runs` of them, each of n elements `stride` apart, the runs `run_stride`
// apart.
struct ElementRuns {
  int64_t runs, run_stride;
  int64_t n, stride;
};

// What normalization takes from a row or channel.
template <class T>
struct NormMoments {
  T mean, rest;  // rest: what rounding took from mean
  T var, rstd;
};

// Whether moments of the usual way have to be computed again: squares overflow, or vanish beside
// eps, or the mean is so large that its last digit shows, or the elements are equal to but for a
// few last digits, which the mean's rounding alone may have made.
template <class T>
bool needs_exact_moments(T mean, T var, T rstd, T eps) {
  constexpr T kVanishing = std::is_same_v<T, double> ? T(1e-280) : T(1e-30F);
  constexpr T kFewDigits = 16 * std::numeric_limits<T>::epsilon() / 2;
  return !(var < std::numeric_limits<T>::infinity()) || var + eps < kVanishing ||
         var < (mean * kFewDigits) * (mean * kFewDigits) ||
         std::abs(mean) * rstd >= T(kLargeBesideOthers);
}

template <class T>
ExactMoments exact_moments_of(const T* x, const ElementRuns& runs, bool centered);

// The same as T has it.
template <class T>
NormMoments<T> rounded_moments(const ExactMoments& m, double eps);

}  // namespace tessera::cpu
