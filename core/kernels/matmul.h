// Matrix products. core/kernels.h has the rules for every family.
#pragma once

#include "core/array.h"

namespace tessera {

class MatmulFamily {
 public:
  virtual ~MatmulFamily() = default;
  // out = a b (+ bias): a (B, M, K), b (B, K, N), out (B, M, N), bias undefined or (N,). a and b
  // have stride 1 in one of their last two dims and may have stride 0 in the first; out has
  // stride 1 in its last dim. f32 or f64. Which dims have stride 1 is part of what the bits depend
  // on: the library underneath sums a transposed operand in another order.
  virtual void run(const Array& a, const Array& b, const Array& bias, const Array& out) const = 0;
};

}  // namespace tessera
