// What the losses share.
#pragma once

#include "autograd/ops/loss.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/shape.h"
#include "core/kernels/softmax.h"
#include "core/promotion.h"

namespace tessera {

// An error for batch_mean.
void check_reduction(const char* op, Reduction reduction);

// What the losses come to, in dtype `result`.
Tensor reduce_losses(const Tensor& losses, Reduction reduction, DType result);

// Of the losses of classes, row by row, with the weights of their targets (0 where ignored): `mean`
// divides by the sum of these. `none` has the given shape.
Tensor reduce_class_losses(const Tensor& losses, const Array& weights, const Dims& shape,
                           Reduction reduction);

// The gradient of cross_entropy for x (rows, C), given those of its losses, dy (rows,), as Tensor
// functions.
Tensor class_loss_slope(const Tensor& x, const Array& target, const CrossEntropyArgs& args,
                        const Tensor& dy);

// The common dtype of a loss's operands, and the one that it is computed in.
struct LossDType {
  DType result, compute;

  // An error unless the common dtype is floating.
  template <class... Operands>
  explicit LossDType(const char* op, const Operands&... operands)
      : result(result_type(operands.data()...)), compute(checked(op, result)) {}
  Tensor wide(const Tensor& x) const { return to(x, compute); }

 private:
  static DType checked(const char* op, DType common) {
    TESSERA_CHECK(is_floating(common), "[{}] expected a floating dtype, got {}", op, common);
    return compute_dtype_of(common);
  }
};

}  // namespace tessera
