// How gamma and beta numbers move with their parameters (implicit reparameterization, Figurnov,
// Mohamed and Mnih 2018): where F is the distribution function and f its density,
//
//   dx/da = -(dF/da) / f
//
// F is f times a series or a continued fraction (DLMF 8.11, 8.9 and 8.17), which is differentiated
// term by term.
#include <cmath>

#include "core/cpu/draws.h"
#include "core/cpu/scalar_math.h"

namespace tessera::cpu {
namespace {

// Above it the leading term of the expansion for large parameters is right to 1e-7.
constexpr double kLarge = 1e7;
constexpr int kMostTerms = 100000;
constexpr double kNegligible = 1e-17;

// A number and its derivative.
struct Dual {
  double value;
  double slope;
};
Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
Dual operator*(Dual a, Dual b) {
  return {a.value * b.value, a.value * b.slope + a.slope * b.value};
}
Dual operator/(Dual a, Dual b) {
  double quotient = a.value / b.value;
  return {quotient, (a.slope - quotient * b.slope) / b.value};
}
Dual constant(double value) { return {value, 0}; }

// 1 / (b(0) + a(1) / (b(1) + a(2) / (b(2) + ...))), by Lentz's method (1976).
template <class A, class B>
Dual inverse_of_fraction(const A& a, const B& b) {
  constexpr double kEnough = 1e-15;
  Dual c = b(0);
  Dual fraction = c;
  Dual d = constant(0);
  for (int i = 1; i < kMostTerms; ++i) {
    d = constant(1) / (b(i) + a(i) * d);
    c = b(i) + a(i) / c;
    Dual change = c * d;
    fraction = fraction * change;
    double scale = 1 + std::abs(fraction.slope / fraction.value);
    if (std::abs(change.value - 1) < kEnough && std::abs(change.slope) < kEnough * scale) break;
  }
  return constant(1) / fraction;
}

// log(y) / (y - 1)
double log_ratio(double y) {
  double above = y - 1;
  return above == 0 ? 1 : std::log1p(above) / above;
}

// F = f x / a S with S = sum of x^n / ((a + 1) ... (a + n)).
double gamma_slope_by_series(double a, double x) {
  double term = 1, sum = 1, sum_slope = 0, inverses = 0;
  for (int n = 1; n < kMostTerms; ++n) {
    term *= x / (a + n);
    inverses += 1 / (a + n);
    sum += term;
    sum_slope -= term * inverses;
    if (term * (1 + inverses) < kNegligible * sum) break;
  }
  return -x / a * (sum * (std::log(x) - scalar::digamma(a + 1)) + sum_slope);
}

// 1 - F = f x h with h = 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / ...)).
double gamma_slope_by_fraction(double a, double x) {
  Dual h = inverse_of_fraction(
      [=](int i) {
        return Dual{i * (a - i), static_cast<double>(i)};
      },
      [=](int i) {
        return Dual{x + 2 * i + 1 - a, -1};
      });
  return x * (h.value * (std::log(x) - scalar::digamma(a)) + h.slope);
}

// h in F = f x (1 - x) / a h.
Dual beta_fraction(Dual a, Dual b, double x) {
  auto term = [=](int i) {
    int half = i / 2;
    Dual m = constant(half);
    Dual above = i % 2 == 0 ? m * (b - m) : constant(-1) * (a + m) * (a + b + m);
    Dual before = a + constant(i - 1);
    return above * constant(x) / (before * (before + constant(1)));
  };
  return inverse_of_fraction(term, [](int) { return constant(1); });
}

}  // namespace

double gamma_slope(double a, double x) {
  if (x == 0) return 0;
  if (a > kLarge) return x / a * log_ratio(x / a);
  return x < a + 1 ? gamma_slope_by_series(a, x) : gamma_slope_by_fraction(a, x);
}

double beta_slope(double x, double a, double b) {
  if (x == 0) return 0;
  double total = a + b;
  if (a > kLarge && b > kLarge) return x / a * log_ratio(x / (a / total));
  double excess = std::log(x) + scalar::digamma(total);
  if (x < (a + 1) / (total + 2)) {
    Dual h = beta_fraction({a, 1}, constant(b), x);
    return -x / a * (h.value * (excess - scalar::digamma(a + 1)) + h.slope);
  }
  // 1 - F is the distribution function of 1 - x.
  Dual h = beta_fraction(constant(b), {a, 1}, 1 - x);
  return x / b * (h.value * (excess - scalar::digamma(a)) + h.slope);
}

}  // namespace tessera::cpu
