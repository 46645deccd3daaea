// Random numbers. core/kernels.h has the rules for every family.
#pragma once

#include "core/philox.h"

namespace tessera {

class Array;

class RandomFamily {
 public:
  virtual ~RandomFamily() = default;
  // out[i] is a function of (stream, first + i) alone: row-major f32 or f64. A range of a longer
  // sequence has that sequence's values.
  virtual void uniform(const RandomStream& stream, int64_t first, double low, double high,
                       const Array& out) const = 0;
  virtual void normal(const RandomStream& stream, int64_t first, double mean, double std,
                      const Array& out) const = 0;
  // mask[i] = 1 / (1 - p) with probability 1 - p, else 0.
  virtual void dropout_mask(const RandomStream& stream, int64_t first, double p,
                            const Array& mask) const = 0;
  // out[i] in [low, high), low < high, every value equally likely: row-major i64.
  virtual void integers(const RandomStream& stream, int64_t first, int64_t low, int64_t high,
                        const Array& out) const = 0;
  // out[i] = 1 with probability p[i], else 0: out and p row-major f64 of one shape.
  virtual void bernoulli(const RandomStream& stream, const Array& p, const Array& out) const = 0;
  // A permutation of 0 to out.numel() - 1: row-major i64.
  virtual void permutation(const RandomStream& stream, const Array& out) const = 0;
  // Exponentially distributed: row-major f32 or f64.
  virtual void exponential(const RandomStream& stream, int64_t first, double rate,
                           const Array& out) const = 0;
  // For each row of weights (rows, n), f64, finite and not negative, `out` (rows, k), i64, gets k
  // columns with probabilities in proportion to the weights; without replacement no column twice,
  // each as if drawn after those before it. Both row-major. Every row has a positive sum, without
  // replacement at least k positive weights.
  virtual void multinomial(const RandomStream& stream, const Array& weights, bool replacement,
                           const Array& out) const = 0;

  // Below, all arrays are row-major f64 of one shape. out[i] depends on the stream, i and the
  // parameters at i alone.
  // The logarithm of a gamma number of scale 1, for a finite concentration above 0.
  virtual void log_gamma(const RandomStream& stream, const Array& concentration,
                         const Array& out) const = 0;
  // For a finite rate of at least 0.
  virtual void poisson(const RandomStream& stream, const Array& rate, const Array& out) const = 0;
  // Successes among count trials, a whole number of at least 0, with probability p in [0, 1].
  virtual void binomial(const RandomStream& stream, const Array& count, const Array& p,
                        const Array& out) const = 0;
  // dx/da of gamma numbers x of concentration a and scale 1 at a fixed quantile.
  virtual void gamma_slope(const Array& a, const Array& x, const Array& out) const = 0;
  // dx/da / (1 - x) of beta numbers x of concentrations a and b at a fixed quantile.
  virtual void beta_slope(const Array& x, const Array& a, const Array& b,
                          const Array& out) const = 0;
};

}  // namespace tessera
