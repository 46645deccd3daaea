// Random numbers that are drawn one by one, by rejection: a number takes as many words as it needs,
// from a part of the stream that it shares with no other. And how gamma and beta numbers move with
// their parameters.
#pragma once

#include <array>
#include <cstdint>

#include "core/philox.h"

namespace tessera::cpu {

// The words of one element of the stream: 2^20 blocks of it, far more than a rejection needs.
class ElementDraws {
 public:
  ElementDraws(const RandomStream& stream, int64_t element)
      : stream_(stream), block_(static_cast<uint64_t>(element) << 20) {}
  // In (0, 1).
  double uniform();
  double normal();

 private:
  RandomStream stream_;
  uint64_t block_;
  std::array<double, 2> units_{};
  int left_ = 0;
};

// The logarithm of a gamma number of scale 1, for a concentration above 0: of small ones the number
// itself would be 0.
double draw_log_gamma(ElementDraws& draws, double concentration);
// rate >= 0.
double draw_poisson(ElementDraws& draws, double rate);
// count >= 0, an integer; p in [0, 1].
double draw_binomial(ElementDraws& draws, double count, double p);

// dx/da of a gamma number x of concentration a and scale 1 at a fixed quantile.
double gamma_slope(double a, double x);
// dx/da / (1 - x) of a beta number x of concentrations a and b at a fixed quantile.
double beta_slope(double x, double a, double b);

}  // namespace tessera::cpu
