// The update of parameters. core/kernels.h has the rules for every family.
#pragma once

#include "core/array.h"

namespace tessera {

struct AdamWArgs {
  double lr = 0;
  double beta1 = 0;
  double beta2 = 0;
  double eps = 0;
  double weight_decay = 0;
  int64_t step = 1;  // counted from 1
};

class OptimizerFamily {
 public:
  virtual ~OptimizerFamily() = default;
  // Decoupled weight decay (Loshchilov and Hutter 2019), on flat arrays of one dtype (f32, f64):
  // g = grad * grad_scale; m, v = moving means of g, g^2; param -= lr * weight_decay * param;
  // param -= lr * m_hat / (sqrt(v_hat) + eps). grad_scale is a 0-d f64 array on the device.
  virtual void adamw(const AdamWArgs& args, const Array& param, const Array& grad,
                     const Array& grad_scale, const Array& m, const Array& v) const = 0;
};

}  // namespace tessera
