#include "autograd/ops/dropout.h"

#include <cmath>

#include "autograd/ops/batch_arg.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/random.h"
#include "autograd/ops/shape.h"

namespace tessera {
namespace {

void check_drop(const char* op, const Tensor& x, double p) {
  TESSERA_CHECK(p >= 0 && p <= 1, "[{}] expected a probability in [0, 1], got {}", op, p);
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
}

// 1 / (1 - p), or 0 with probability p: a constant in the dtype that x is computed in.
Tensor drop_mask(const Tensor& x, const Dims& shape, double p) {
  Tensor ones = Array::full(shape, 1, compute_dtype_of(x.dtype()), x.device());
  return dropout(ones, p, true);
}

// One number for each channel of each sample of x (N, C, ...).
Dims channels_of(const Tensor& x) {
  Dims shape(x.dim(), 1);
  for (size_t d = 0; d < 2; ++d) shape[d] = x.shape()[d];
  return shape;
}

Tensor drop_channels(const char* op, const BatchArg& batch, const Tensor& x, double p,
                     bool training) {
  check_drop(op, x, p);
  if (!training || p == 0) return x;
  Tensor y = *batch * drop_mask(x, channels_of(*batch), p);
  return batch.back(to(y, x.dtype()));
}

// With a = 1 / sqrt((alpha^2 p + 1) (1 - p)): a (x + alpha p), and a alpha (p - 1) where dropped.
Tensor drop_to_alpha(const Tensor& x, const Dims& shape, double p) {
  if (p == 1) return x * 0;
  constexpr double kAlpha = 1.7580993408473766;  // of selu: its scale times its alpha
  double a = 1 / std::sqrt((kAlpha * kAlpha * p + 1) * (1 - p));
  Tensor mask = drop_mask(x, shape, p);
  Tensor scale = affine(mask, a * (1 - p), 0);
  Tensor shift = affine(mask, kAlpha * a * (1 - p), kAlpha * a * (p - 1));
  return to(to(x, mask.dtype()) * scale + shift, x.dtype());
}

}  // namespace

Tensor dropout1d(TensorArg x, double p, bool training) {
  const Composed scope;
  BatchArg batch("dropout1d", "(N, C, L)", x, 3);
  return drop_channels("dropout1d", batch, x, p, training);
}

Tensor dropout2d(TensorArg x, double p, bool training) {
  const Composed scope;
  TESSERA_CHECK(x.dim() == 4, "[dropout2d] expected an input (N, C, H, W), got {}", x.shape());
  return drop_channels("dropout2d", BatchArg("dropout2d", "(N, C, H, W)", x, 4), x, p, training);
}

Tensor dropout3d(TensorArg x, double p, bool training) {
  const Composed scope;
  BatchArg batch("dropout3d", "(N, C, D, H, W)", x, 5);
  return drop_channels("dropout3d", batch, x, p, training);
}

Tensor alpha_dropout(TensorArg x, double p, bool training) {
  const Composed scope;
  check_drop("alpha_dropout", x, p);
  if (!training || p == 0) return x;
  return drop_to_alpha(x, x.shape(), p);
}

Tensor feature_alpha_dropout(TensorArg x, double p, bool training) {
  const Composed scope;
  check_drop("feature_alpha_dropout", x, p);
  TESSERA_CHECK(x.dim() >= 2, "[feature_alpha_dropout] expected x (N, C, ...), got {}", x.shape());
  if (!training || p == 0) return x;
  return drop_to_alpha(x, channels_of(x), p);
}

}  // namespace tessera
