// What the losses share.
#pragma once

#include "autograd/ops/loss.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/shape.h"
#include "core/promotion.h"

namespace tessera {

// An error for batch_mean.
void check_reduction(const char* op, Reduction reduction);

// What the losses come to, in dtype `result`.
Tensor reduce_losses(const Tensor& losses, Reduction reduction, DType result);

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
