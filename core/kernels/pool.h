// Pooling and resampling of images. core/kernels.h has the rules for every family.
#pragma once

#include <span>
#include <vector>

namespace tessera {

class Array;

// The elements begin, begin + step, ... below end of one axis, all inside the axis.
struct PoolWindow {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;
};

// A linear map along one axis: output i is the sum over its taps of weight times input[index].
struct Tap {
  int64_t index = 0;
  double weight = 0;
};
using AxisMap = std::vector<std::vector<Tap>>;

// Images are (N, C, H, W) of any strides, f32 or f64. A place in an image is counted row by row:
// row * W + column.
class PoolFamily {
 public:
  virtual ~PoolFamily() = default;
  // out[n, c, i, j] = the largest element in the window rows[i] x cols[j]; index, i64, its place:
  // the first of equals, and a NaN is the largest. x may be i64 as well.
  virtual void max(const Array& x, std::span<const PoolWindow> rows,
                   std::span<const PoolWindow> cols, const Array& out,
                   const Array& index) const = 0;
  // out[n, c, i, j] = x[n, c, index[n, c, i, j]]; index is row-major.
  virtual void gather(const Array& x, const Array& index, const Array& out) const = 0;
  // dx[n, c, index[n, c, i, j]] += dy[n, c, i, j] in the order of (i, j), zeros elsewhere.
  virtual void scatter(const Array& dy, const Array& index, const Array& dx) const = 0;
  // out = rows x cols^T for every plane, summed in f64 and rounded once.
  virtual void resample(const Array& x, const AxisMap& rows, const AxisMap& cols,
                        const Array& out) const = 0;
};

}  // namespace tessera
