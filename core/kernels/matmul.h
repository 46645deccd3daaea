// Matrix products. core/kernels.h has the rules for every family.
#pragma once

#include <cstdint>

namespace tessera {

class Array;

// A matrix with a dim of kWide or more, a vocabulary's, may be made or read kWidePiece rows at a
// time. On the CPU the bits are those of one product, where b has fewer than kWide columns or a
// has fewer than kWide rows:
//   a b of kWide columns, or of kWide terms, for kWidePiece rows of a at a time;
//   a^T b of kWide rows, for kWidePiece rows of a and of b at a time, by `run` and then `add`.
inline constexpr int64_t kWide = 16384;
inline constexpr int64_t kWidePiece = 512;

class MatmulFamily {
 public:
  virtual ~MatmulFamily() = default;
  // out = a b (+ bias): a (B, M, K), b (B, K, N), out (B, M, N), bias undefined or (N,). a and b
  // have stride 1 in one of their last two dims and may have stride 0 in the first; out has
  // stride 1 in its last dim. One dtype, any but bool: 16-bit floats are computed in f32 and
  // rounded once, integers wrap around. Which dims have stride 1 is part of what f32's bits depend
  // on: the library underneath sums a transposed operand in another order.
  virtual void run(const Array& a, const Array& b, const Array& bias, const Array& out) const = 0;
  // out += a b, as run, of f32 or f64.
  virtual void add(const Array& a, const Array& b, const Array& out) const = 0;
};

}  // namespace tessera
