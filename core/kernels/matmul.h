// Matrix products. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

class MatmulFamily {
 public:
  virtual ~MatmulFamily() = default;
  // out = a b (+ bias): a (B, M, K), b (B, K, N), out (B, M, N), bias undefined or (N,). a and b
  // have stride 1 in one of their last two dims and may have stride 0 in the first; out has
  // stride 1 in its last dim. One dtype, any but bool: 16-bit floats are computed in f32 and
  // rounded once, integers wrap around. Which dims have stride 1 is part of what f32's bits depend
  // on: the library underneath sums a transposed operand in another order.
  virtual void run(const Array& a, const Array& b, const Array& bias, const Array& out) const = 0;
};

}  // namespace tessera
