// Normalization over the last dim. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

// Arrays are f32 or f64, all of one dtype.
class NormalizeFamily {
 public:
  virtual ~NormalizeFamily() = default;
  // y = (x - mean) * rstd * weight + bias over the last dim of (rows, cols), row-major; mean and
  // rstd = 1 / sqrt(var + eps), with the biased variance, are (rows,). Undefined arrays: weight
  // stands for ones, bias for zeros, mean for zeros (RMS norm; var is the mean square). No square
  // on the way overflows or vanishes, and what rounding took from a mean does not reach y.
  virtual void layer_norm(const Array& x, const Array& weight, const Array& bias, double eps,
                          const Array& y, const Array& mean, const Array& rstd) const = 0;
  // weight and mean are undefined if they were in layer_norm, dweight and dbias where they are not
  // wanted.
  virtual void layer_norm_grad(const Array& x, const Array& weight, const Array& mean,
                               const Array& rstd, const Array& dy, const Array& dx,
                               const Array& dweight, const Array& dbias) const = 0;
};

}  // namespace tessera
