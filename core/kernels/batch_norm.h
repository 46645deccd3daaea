// Normalization of channels over all else. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

// x, y and their gradients are (outer, channels, inner), row-major, and what belongs to channels is
// (channels,): f32 or f64, all of one dtype. An undefined weight stands for ones, an undefined bias
// for zeros.
class BatchNormFamily {
 public:
  virtual ~BatchNormFamily() = default;
  // The mean, the biased variance and 1 / sqrt(var + eps) of each channel. A mean, here and below,
  // is (2, channels): itself, and what rounding took from it where that matters. No square on the
  // way to rstd overflows or vanishes.
  virtual void moments(const Array& x, double eps, const Array& mean, const Array& var,
                       const Array& rstd) const = 0;
  // y = (x - mean[0] - mean[1]) * rstd * weight + bias.
  virtual void normalize(const Array& x, const Array& weight, const Array& bias, const Array& mean,
                         const Array& rstd, const Array& y) const = 0;
  // own_moments: mean and rstd were computed from x, and their gradients reach dx. dx is undefined
  // where it is not wanted; dweight and dbias are both computed.
  virtual void grad(const Array& x, const Array& weight, const Array& mean, const Array& rstd,
                    bool own_moments, const Array& dy, const Array& dx, const Array& dweight,
                    const Array& dbias) const = 0;
};

}  // namespace tessera
