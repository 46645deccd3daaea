// The math policy of core/formulas.inc on a scalar of the device.
#pragma once

#include <cmath>
#include <limits>
#include <numbers>

#include "core/cuda/launch.h"
#include "core/error.h"
#include "core/formulas.h"

namespace tessera::cuda {

#define TESSERA_FUNCTION __host__ __device__ inline
namespace formulas {
#include "core/formulas.inc"
}  // namespace formulas
namespace special {
#include "core/special_functions.inc"
}  // namespace special
#undef TESSERA_FUNCTION

// Host functions as well, so that the formulas, which are both, may call them.
template <class T>
struct ScalarMath {
#define TESSERA_FUNCTION __host__ __device__ static
  TESSERA_FUNCTION T constant(double value) { return static_cast<T>(value); }
  TESSERA_FUNCTION T neg(T x) { return -x; }
  TESSERA_FUNCTION T abs(T x) { return std::fabs(x); }
  TESSERA_FUNCTION T sqrt(T x) { return std::sqrt(x); }
  TESSERA_FUNCTION T floor(T x) { return std::floor(x); }
  TESSERA_FUNCTION T ceil(T x) { return std::ceil(x); }
  TESSERA_FUNCTION T round(T x) { return std::rint(x); }
  TESSERA_FUNCTION T trunc(T x) { return std::trunc(x); }
  TESSERA_FUNCTION T fma(T a, T b, T c) { return std::fma(a, b, c); }
  TESSERA_FUNCTION T where(bool condition, T yes, T no) { return condition ? yes : no; }
  TESSERA_FUNCTION bool less(T a, T b) { return a < b; }
  TESSERA_FUNCTION bool less_equal(T a, T b) { return a <= b; }
  TESSERA_FUNCTION bool equal(T a, T b) { return a == b; }
  TESSERA_FUNCTION bool is_nan(T x) { return x != x; }
  TESSERA_FUNCTION T copysign(T x, T sign) { return std::copysign(x, sign); }
  TESSERA_FUNCTION T exp(T x) { return std::exp(x); }
  TESSERA_FUNCTION T exp_nonpositive(T x) { return std::exp(x); }
  TESSERA_FUNCTION T exp2(T x) { return std::exp2(x); }
  TESSERA_FUNCTION T expm1(T x) { return std::expm1(x); }
  TESSERA_FUNCTION T log(T x) { return std::log(x); }
  TESSERA_FUNCTION T log2(T x) { return std::log2(x); }
  TESSERA_FUNCTION T log10(T x) { return std::log10(x); }
  TESSERA_FUNCTION T log1p(T x) { return std::log1p(x); }
  TESSERA_FUNCTION T sin(T x) { return std::sin(x); }
  TESSERA_FUNCTION T cos(T x) { return std::cos(x); }
  TESSERA_FUNCTION T tan(T x) { return std::tan(x); }
  TESSERA_FUNCTION T asin(T x) { return std::asin(x); }
  TESSERA_FUNCTION T acos(T x) { return std::acos(x); }
  TESSERA_FUNCTION T atan(T x) { return std::atan(x); }
  TESSERA_FUNCTION T sinh(T x) { return std::sinh(x); }
  TESSERA_FUNCTION T cosh(T x) { return std::cosh(x); }
  TESSERA_FUNCTION T tanh(T x) { return std::tanh(x); }
  TESSERA_FUNCTION T asinh(T x) { return std::asinh(x); }
  TESSERA_FUNCTION T acosh(T x) { return std::acosh(x); }
  TESSERA_FUNCTION T atanh(T x) { return std::atanh(x); }
  TESSERA_FUNCTION T erf(T x) { return std::erf(x); }
  TESSERA_FUNCTION T erfc(T x) { return std::erfc(x); }
  TESSERA_FUNCTION T erfinv(T x) { return static_cast<T>(special::erfinv(x)); }
  TESSERA_FUNCTION T lgamma(T x) { return static_cast<T>(log_gamma(x)); }
  TESSERA_FUNCTION T digamma(T x) { return static_cast<T>(special::digamma(x)); }
  TESSERA_FUNCTION T trigamma(T x) { return static_cast<T>(special::trigamma(x)); }
  TESSERA_FUNCTION T polygamma(double n, T x) { return static_cast<T>(special::polygamma(n, x)); }
  TESSERA_FUNCTION T hypot(T a, T b) { return std::hypot(a, b); }
  TESSERA_FUNCTION T pow(T a, T b) { return std::pow(a, b); }
  TESSERA_FUNCTION T atan2(T a, T b) { return std::atan2(a, b); }
  TESSERA_FUNCTION T fmod(T a, T b) { return std::fmod(a, b); }
#undef TESSERA_FUNCTION
};

}  // namespace tessera::cuda
