// The parameter type of operations.
#pragma once

#include "autograd/context.h"
#include "autograd/tensor.h"

namespace tessera {

// A Tensor handed to an operation. The conversion happens at the call, so it knows the caller's
// file and line and notes them, for the node that the operation may record and for the error that
// it may throw. Lives as long as the call: never store one.
class TensorArg {
 public:
  // Undefined, for parameters that may be left out.
  TensorArg() { ++call_place.calls; }
  TensorArg(const Tensor& tensor, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : tensor_(&tensor) {
    ++call_place.calls;
    note_call_site({file, line});
  }
  TensorArg(const Array& data, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : own_(data), tensor_(&own_) {
    ++call_place.calls;
    note_call_site({file, line});
  }
  // Handed on to another operation, whose call is still the user's.
  TensorArg(const TensorArg& outer) : tensor_(outer.tensor_) { ++call_place.calls; }
  ~TensorArg() { --call_place.calls; }
  TensorArg& operator=(const TensorArg&) = delete;

  operator const Tensor&() const { return *tensor_; }
  const Tensor& operator*() const { return *tensor_; }
  const Tensor* operator->() const { return tensor_; }

  bool defined() const { return tensor_->defined(); }
  const Array& data() const { return tensor_->data(); }
  const Dims& shape() const { return tensor_->shape(); }
  DType dtype() const { return tensor_->dtype(); }
  Device device() const { return tensor_->device(); }
  size_t dim() const { return tensor_->dim(); }
  int64_t size(int64_t dim) const { return tensor_->size(dim); }
  int64_t numel() const { return tensor_->numel(); }
  bool requires_grad() const { return tensor_->requires_grad(); }

 private:
  Tensor own_;
  const Tensor* tensor_ = &own_;
};

// The operand that an operation writes into and returns.
class SelfArg : public TensorArg {
 public:
  SelfArg(const Tensor& tensor, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : TensorArg(tensor, file, line) {}
};

}  // namespace tessera
