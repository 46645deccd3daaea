// The math policy of core/formulas.inc on one number, by the C++ library.
#pragma once

#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.h"
#include "core/formulas.h"

namespace tessera::cpu::scalar {

#define TESSERA_FUNCTION inline
#include "core/special_functions.inc"
#undef TESSERA_FUNCTION

// lgamma without the C library's global sign.
double lgamma(double x);

template <class T>
struct ScalarMath {
  T constant(double value) const { return static_cast<T>(value); }
  T neg(T x) const { return -x; }
  T abs(T x) const { return std::abs(x); }
  T sqrt(T x) const { return std::sqrt(x); }
  T floor(T x) const { return std::floor(x); }
  T ceil(T x) const { return std::ceil(x); }
  T round(T x) const { return std::rint(x); }
  T trunc(T x) const { return std::trunc(x); }
  T fma(T a, T b, T c) const { return a * b + c; }
  T where(bool condition, T yes, T no) const { return condition ? yes : no; }
  bool less(T a, T b) const { return a < b; }
  bool less_equal(T a, T b) const { return a <= b; }
  bool equal(T a, T b) const { return a == b; }
  bool is_nan(T x) const { return x != x; }
  T copysign(T x, T sign) const { return std::copysign(x, sign); }
  T exp(T x) const { return std::exp(x); }
  T exp_nonpositive(T x) const { return std::exp(x); }
  T exp2(T x) const { return std::exp2(x); }
  T expm1(T x) const { return std::expm1(x); }
  T log(T x) const { return std::log(x); }
  T log2(T x) const { return std::log2(x); }
  T log10(T x) const { return std::log10(x); }
  T log1p(T x) const { return std::log1p(x); }
  T sin(T x) const { return std::sin(x); }
  T cos(T x) const { return std::cos(x); }
  T tan(T x) const { return std::tan(x); }
  T asin(T x) const { return std::asin(x); }
  T acos(T x) const { return std::acos(x); }
  T atan(T x) const { return std::atan(x); }
  T sinh(T x) const { return std::sinh(x); }
  T cosh(T x) const { return std::cosh(x); }
  T tanh(T x) const { return std::tanh(x); }
  T asinh(T x) const { return std::asinh(x); }
  T acosh(T x) const { return std::acosh(x); }
  T atanh(T x) const { return std::atanh(x); }
  T erf(T x) const { return std::erf(x); }
  T erfc(T x) const { return std::erfc(x); }
  T erfinv(T x) const { return static_cast<T>(scalar::erfinv(static_cast<double>(x))); }
  T lgamma(T x) const { return static_cast<T>(scalar::lgamma(static_cast<double>(x))); }
  T digamma(T x) const { return static_cast<T>(scalar::digamma(static_cast<double>(x))); }
  T trigamma(T x) const { return static_cast<T>(scalar::trigamma(static_cast<double>(x))); }
  T polygamma(double n, T x) const {
    return static_cast<T>(scalar::polygamma(n, static_cast<double>(x)));
  }
  T hypot(T a, T b) const { return std::hypot(a, b); }
  T pow(T a, T b) const { return std::pow(a, b); }
  T atan2(T a, T b) const { return std::atan2(a, b); }
  T fmod(T a, T b) const { return std::fmod(a, b); }
};

#define TESSERA_FUNCTION inline
#include "core/formulas.inc"
#undef TESSERA_FUNCTION

}  // namespace tessera::cpu::scalar
