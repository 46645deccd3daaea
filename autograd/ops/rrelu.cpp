#include "autograd/ops/rrelu.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/random.h"
#include "autograd/ops/shape.h"

namespace tessera {

Tensor rrelu(TensorArg x, double lower, double upper, bool training) {
  const Composed scope;
  TESSERA_CHECK(is_floating(x.dtype()), "[rrelu] expected a floating dtype, got {}", x.dtype());
  TESSERA_CHECK(std::isfinite(lower) && std::isfinite(upper) && lower <= upper,
                "[rrelu] expected finite slopes, lower at most upper, got {} and {}", lower, upper);
  if (!training) return leaky_relu(x, (lower + upper) / 2);
  DType wide = compute_dtype_of(x.dtype());
  Tensor one = Array::full({}, 1, wide, x.device());
  Tensor slope = affine(rand_like(expand(one, x.shape())), upper - lower, lower);
  Tensor y = to(x, wide);
  return to(where(le(y, 0), y * slope, y), x.dtype());
}

}  // namespace tessera
