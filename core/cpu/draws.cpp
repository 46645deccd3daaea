#include "core/cpu/draws.h"

#include <cmath>
#include <numbers>

#include "core/cpu/scalar_math.h"

namespace tessera::cpu {
namespace {

// As scalar::lgamma, of n + 1.
double log_factorial(double n) { return scalar::lgamma(n + 1); }

}  // namespace

double ElementDraws::uniform() {
  if (left_ == 0) {
    auto w = philox_block(stream_, block_++);
    // Half a step up, so that neither end is drawn.
    auto unit = [](uint64_t word) { return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52; };
    units_ = {unit(uint64_t{w[3]} << 32 | w[2]), unit(uint64_t{w[1]} << 32 | w[0])};
    left_ = 2;
  }
  return units_[static_cast<size_t>(--left_)];
}

// Half of what Box and Muller (1958) make of two uniform numbers.
double ElementDraws::normal() {
  double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

// Marsaglia and Tsang 2000: (1 + c z)^3 d is nearly a gamma number. Below a concentration of 1, one
// of concentration + 1 is multiplied by u^(1 / concentration).
double draw_log_gamma(ElementDraws& draws, double concentration) {
  if (!std::isfinite(concentration)) return concentration;
  bool raised = concentration < 1;
  double shift = raised ? std::log(draws.uniform()) / concentration : 0;
  double d = concentration + (raised ? 1 : 0) - 1.0 / 3;
  double c = 1 / std::sqrt(9 * d);
  while (true) {
    double z = draws.normal();
    double root = 1 + c * z;
    if (root <= 0) continue;
    double v = root * root * root;
    double log_v = 3 * std::log(root);
    if (std::log(draws.uniform()) < 0.5 * z * z + d * (1 - v + log_v)) {
      return std::log(d) + log_v + shift;
    }
  }
}

// Small rates: arrivals are counted until their time is over (Knuth 1969). Others: Hörmann's PTRS
// (1993), whose constants these are.
double draw_poisson(ElementDraws& draws, double rate) {
  if (!(rate > 0) || std::isinf(rate)) return rate;
  if (rate < 10) {
    double end = std::exp(-rate);
    double count = 0;
    for (double product = draws.uniform(); product > end; product *= draws.uniform()) ++count;
    return count;
  }
  double b = 0.931 + 2.53 * std::sqrt(rate);
  double a = -0.059 + 0.02483 * b;
  double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  double accepted = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    double u = draws.uniform() - 0.5;
    double v = draws.uniform();
    double distance = 0.5 - std::abs(u);
    double k = std::floor((2 * a / distance + b) * u + rate + 0.43);
    if (distance >= 0.07 && v <= accepted) return k;
    if (k < 0 || (distance < 0.013 && v > distance)) continue;
    double height = std::log(v * inverse_alpha / (a / (distance * distance) + b));
    if (height <= k * std::log(rate) - rate - log_factorial(k)) return k;
  }
}

// A few successes: the failures before each are counted (Devroye 1986). Others: Hörmann's BTRS
// (1993), whose constants these are.
double draw_binomial(ElementDraws& draws, double count, double p) {
  if (!(count > 0) || !(p > 0)) return 0;
  if (p > 0.5) return count - draw_binomial(draws, count, 1 - p);
  double q = 1 - p;
  if (count * p < 10) {
    double log_q = std::log1p(-p);
    double k = 0;
    double tried = 0;
    while (true) {
      tried += std::floor(std::log(draws.uniform()) / log_q) + 1;
      if (tried > count) return k;
      ++k;
    }
  }
  double spread = std::sqrt(count * p * q);
  double b = 1.15 + 2.53 * spread;
  double a = -0.0873 + 0.0248 * b + 0.01 * p;
  double alpha = (2.83 + 5.1 / b) * spread;
  double accepted = 0.92 - 4.2 / b;
  double mode = std::floor((count + 1) * p);
  double top = log_factorial(mode) + log_factorial(count - mode);
  while (true) {
    double u = draws.uniform() - 0.5;
    double v = draws.uniform();
    double distance = 0.5 - std::abs(u);
    double k = std::floor((2 * a / distance + b) * u + count * p + 0.5);
    if (distance >= 0.07 && v <= accepted) return k;
    if (k < 0 || k > count) continue;
    double height = std::log(v * alpha / (a / (distance * distance) + b));
    double chance = top - log_factorial(k) - log_factorial(count - k);
    if (height <= chance + (k - mode) * std::log(p / q)) return k;
  }
}

}  // namespace tessera::cpu
