// Inputs whose batch dim may be missing.
#pragma once

#include "autograd/ops/shape.h"

namespace tessera {

// x of `rank` dims, or of one fewer: then a batch of one. Errors name op and say what `form`, such
// as "(N, C, L)", x should have.
class BatchArg {
 public:
  BatchArg(const char* op, const char* form, const Tensor& x, size_t rank)
      : added_(x.dim() + 1 == rank) {
    TESSERA_CHECK(x.dim() == rank || added_,
                  "[{}] expected an input {}, or such without the batch, got {}", op, form,
                  x.shape());
    x_ = added_ ? unsqueeze(x, 0) : x;
  }
  const Tensor& operator*() const { return x_; }
  const Tensor* operator->() const { return &x_; }
  // A result without the batch dim that x did not have.
  Tensor back(const Tensor& y) const { return added_ ? squeeze(y, 0) : y; }

 private:
  bool added_;
  Tensor x_;
};

}  // namespace tessera
