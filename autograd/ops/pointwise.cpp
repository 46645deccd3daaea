#include "autograd/ops/pointwise.h"

#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/unary.h"

namespace tessera::pointwise {

DType result_dtype(const char* op, Domain domain, DType operands) {
  if (is_floating(operands)) {
    TESSERA_CHECK(domain != Domain::integral && domain != Domain::integers,
                  "[{}] expected integers, got {}", op, operands);
    return operands;
  }
  TESSERA_CHECK(domain != Domain::floating, "[{}] expected a floating dtype, got {}", op, operands);
  bool takes_bool = domain != Domain::numbers && domain != Domain::integers;
  TESSERA_CHECK(takes_bool || operands != DType::boolean, "[{}] expected numbers, got bool", op);
  return domain == Domain::real ? DType::f32 : operands;
}

Array unary(const char* op, UnaryOp kernel, Domain domain, const Tensor& x,
            const ElementwiseParams& params) {
  DType dtype = result_dtype(op, domain, x.dtype());
  if (gives_bool(kernel)) dtype = DType::boolean;
  Array out = Array::empty(x.shape(), dtype, x.device());
  kernels(x.device()).unary().run(kernel, x.data(), out, params);
  return out;
}

Array binary_into(const char* op, BinaryOp kernel, const Array& a, const Array& b, DType dtype) {
  TESSERA_CHECK(a.device() == b.device(), "[{}] expected one device, got {} and {}", op, a.device(),
                b.device());
  if (a.shape() == b.shape()) {
    Array out = Array::empty(a.shape(), dtype, a.device());
    kernels(a.device()).binary().run(kernel, a, b, out);
    return out;
  }
  Dims shape = broadcast_shapes(a.shape(), b.shape(), op);
  Array out = Array::empty(shape, dtype, a.device());
  kernels(a.device()).binary().run(kernel, a.expand(shape), b.expand(shape), out);
  return out;
}

Array binary(const char* op, BinaryOp kernel, Domain domain, const Array& a, const Array& b) {
  DType operands = a.dtype() == b.dtype() ? a.dtype() : result_type(a, b);
  DType dtype = result_dtype(op, domain, operands);
  if (!gives_bool(kernel)) return binary_into(op, kernel, a, b, dtype);
  // These compare in the larger dtype, which that of a 0-d operand must not decide. Integers are
  // compared in i64, where no conversion changes one.
  bool decides = is_floating(operands) && promote_types(a.dtype(), b.dtype()) != operands;
  if (decides) return binary_into(op, kernel, a.to(operands), b.to(operands), DType::boolean);
  return binary_into(op, kernel, a, b, DType::boolean);
}

Array beside(const Tensor& x, const Scalar& number, DType promoted) {
  bool is_integer = !is_floating(promoted) && promoted != DType::boolean;
  DType kept = is_half(promoted) ? DType::f32 : is_integer ? DType::i64 : promoted;
  Array out = Array::empty({}, kept, Device{});
  visit_dtype(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    *out.data<T>() = number.to<T>();
  });
  if (x.device() == out.device()) return out;
  Array there = Array::empty({}, out.dtype(), x.device());
  there.copy_(out);
  return there;
}

Tensor to_like(const Tensor& grad, const Like& input) {
  if (grad.shape() == input.shape && grad.dtype() == input.dtype) return grad;
  Tensor summed = sum_to(grad, input.shape);
  return summed.dtype() == input.dtype ? summed : to(summed, input.dtype);
}

Dims check_operands(const char* op, InputRefs operands) {
  Dims shape;
  Device device = (*operands.begin())->device();
  for (const InputRef& x : operands) {
    TESSERA_CHECK(x->device() == device, "[{}] expected one device, got {} and {}", op, device,
                  x->device());
    shape = broadcast_shapes(shape, x->shape(), op);
  }
  return shape;
}

Tensor converted(const Tensor& x, DType dtype) { return to(x, dtype); }

Tensor widened(const Tensor& x, DType result) {
  DType compute = is_half(result) ? DType::f32 : result;
  if (x.dtype() == compute) return x;
  return to(x, promote_types(x.dtype(), compute));
}

Tensor zeros_like(const Tensor& x) { return Array::zeros(x.shape(), x.dtype(), x.device()); }

Tensor flat(const char* op, UnaryOp kernel, Domain domain, const TensorArg& x) {
  return record(op, unary(op, kernel, domain, x), {x},
                [](const Tensor& dy, const Node&) { return Grads{zeros_like(dy)}; });
}

}  // namespace tessera::pointwise
