// Convolution. core/kernels.h has the rules for every family.
#pragma once

#include <array>
#include <cstdint>

namespace tessera {

class Array;

// Rows first, then columns. All strides and dilations are at least 1, padding at least 0.
struct ConvArgs {
  std::array<int64_t, 2> stride{1, 1};
  std::array<int64_t, 2> padding{0, 0};
  std::array<int64_t, 2> dilation{1, 1};
  int64_t groups = 1;
};

// Two-dimensional cross-correlation, f32 or f64. Images are (N, H, W, C) row-major: an array of
// logical shape (N, C, H, W) whose memory is channels last is one after a permutation. Weights are
// (O, C / groups, KH, KW) row-major. The result's H is (H + 2 padding - dilation (KH - 1) - 1) /
// stride + 1, rounded down; when an input's gradient is taken, rows beyond the last window get
// zeros.
class ConvFamily {
 public:
  virtual ~ConvFamily() = default;
  // out = x * weight (+ bias); bias undefined or (O,).
  virtual void run(const Array& x, const Array& weight, const Array& bias, const ConvArgs& args,
                   const Array& out) const = 0;
  virtual void input_grad(const Array& dy, const Array& weight, const ConvArgs& args,
                          const Array& dx) const = 0;
  // The images are cut into tiles by shape alone, and the tiles' sums added in the order of a tree.
  virtual void weight_grad(const Array& x, const Array& dy, const ConvArgs& args,
                           const Array& dweight) const = 0;
};

}  // namespace tessera
