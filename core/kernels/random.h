// Random numbers. core/kernels.h has the rules for every family.
#pragma once

#include "core/array.h"
#include "core/philox.h"

namespace tessera {

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
};

}  // namespace tessera
