// Normalization over the last dim. core/kernels.h has the rules for every family.
#pragma once

#include "core/array.h"

namespace tessera {

class NormalizeFamily {
 public:
  virtual ~NormalizeFamily() = default;
  // y = (x - mean) * rstd * weight + bias over the last dim of (rows, cols), row-major; mean and
  // rstd = 1 / sqrt(var + eps) are (rows,).
  virtual void layer_norm(const Array& x, const Array& weight, const Array& bias, double eps,
                          const Array& y, const Array& mean, const Array& rstd) const = 0;
  virtual void layer_norm_grad(const Array& x, const Array& weight, const Array& mean,
                               const Array& rstd, const Array& dy, const Array& dx,
                               const Array& dweight, const Array& dbias) const = 0;
};

}  // namespace tessera
