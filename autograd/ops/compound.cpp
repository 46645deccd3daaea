#include "autograd/ops/compound.h"

#include "autograd/in_place.h"
#include "autograd/ops/compare.h"

namespace tessera {
namespace {

const Tensor& with_tensor(const char* op, const Tensor& self, const TensorArg& other,
                          Tensor (*fn)(TensorArg, TensorArg)) {
  return in_place(op, self, {other}, [&](const Tensor& old) { return fn(old, other); });
}
const Tensor& with_number(const char* op, const Tensor& self, const Scalar& other,
                          Tensor (*fn)(TensorArg, Scalar)) {
  return in_place(op, self, {}, [&](const Tensor& old) { return fn(old, other); });
}

}  // namespace

const Tensor& bitwise_and_(SelfArg self, TensorArg other) {
  return with_tensor("bitwise_and_", self, other, bitwise_and);
}
const Tensor& bitwise_and_(SelfArg self, Scalar other) {
  return with_number("bitwise_and_", self, other, bitwise_and);
}
const Tensor& bitwise_or_(SelfArg self, TensorArg other) {
  return with_tensor("bitwise_or_", self, other, bitwise_or);
}
const Tensor& bitwise_or_(SelfArg self, Scalar other) {
  return with_number("bitwise_or_", self, other, bitwise_or);
}
const Tensor& bitwise_xor_(SelfArg self, TensorArg other) {
  return with_tensor("bitwise_xor_", self, other, bitwise_xor);
}
const Tensor& bitwise_xor_(SelfArg self, Scalar other) {
  return with_number("bitwise_xor_", self, other, bitwise_xor);
}
const Tensor& bitwise_left_shift_(SelfArg self, TensorArg other) {
  return with_tensor("bitwise_left_shift_", self, other, bitwise_left_shift);
}
const Tensor& bitwise_left_shift_(SelfArg self, Scalar other) {
  return with_number("bitwise_left_shift_", self, other, bitwise_left_shift);
}
const Tensor& bitwise_right_shift_(SelfArg self, TensorArg other) {
  return with_tensor("bitwise_right_shift_", self, other, bitwise_right_shift);
}
const Tensor& bitwise_right_shift_(SelfArg self, Scalar other) {
  return with_number("bitwise_right_shift_", self, other, bitwise_right_shift);
}

}  // namespace tessera
