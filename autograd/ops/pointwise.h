// What elementwise operations share: dtypes and shapes of results, and the way back for gradients.
#pragma once

#include "autograd/record.h"
#include "core/kernels/binary.h"
#include "core/kernels/unary.h"
#include "core/promotion.h"

namespace tessera::pointwise {

// Which dtypes a function takes, and the result's where they are not floating.
enum class Domain : uint8_t {
  any,       // all: that of the operands
  numbers,   // no bool: that of the operands
  real,      // all: f32
  floating,  // no others
  integral,  // integers and bool: that of the operands
  integers,  // no others: that of the operands
};

// The dtype of a result from that of its operands; an error naming op outside of its domain.
DType result_dtype(const char* op, Domain domain, DType operands);

// kernel(x), of the dtype that the domain says, or bool for functions into bool.
Array unary(const char* op, UnaryOp kernel, Domain domain, const Tensor& x,
            const ElementwiseParams& params = {});

// kernel(a, b) of the broadcast shape and of dtype out.
Array binary_into(const char* op, BinaryOp kernel, const Array& a, const Array& b, DType out);
// The same, of the dtype that promotion and the domain say.
Array binary(const char* op, BinaryOp kernel, Domain domain, const Array& a, const Array& b);

// A number as a 0-d array beside x. It counts as of dtype promoted(x, number), and is kept in what
// arithmetic of that is done in: 16-bit floats in f32, integers in i64, so that none wraps around
// before it is used.
Array beside(const Tensor& x, const Scalar& number, DType promoted);

// An input as its gradient must be: a sum undoes broadcasting, a conversion undoes promotion.
struct Like {
  explicit Like(const Tensor& x) : shape(x.shape()), dtype(x.dtype()) {}
  Dims shape;
  DType dtype;
};
Tensor to_like(const Tensor& grad, const Like& input);

Tensor zeros_like(const Tensor& x);

// The one shape that the operands of op broadcast to, all of them on one device, or an error.
Dims check_operands(const char* op, InputRefs operands);

inline bool is_half(DType dtype) { return is_floating(dtype) && item_size(dtype) == 2; }
Tensor converted(const Tensor& x, DType dtype);

// fn(dy, x), a gradient of x's dtype: of 16-bit floats it is computed in f32 and rounded once.
template <class Gradient>
Tensor rounded_once(const Tensor& dy, const Tensor& x, const Gradient& fn) {
  if (!is_half(dy.dtype())) return fn(dy, x);
  return converted(fn(converted(dy, DType::f32), converted(x, DType::f32)), x.dtype());
}

// An operand as the gradient of a result of dtype is computed with it: in f32 for 16-bit floats,
// else at least in that dtype, which promotion may have made wider than the operand's own.
Tensor widened(const Tensor& x, DType result);

// y = kernel(x) with the gradient dx(dy, x).
template <class Gradient>
Tensor from_input(const char* op, UnaryOp kernel, Domain domain, const TensorArg& x, Gradient dx,
                  const ElementwiseParams& params = {}) {
  return record(op, unary(op, kernel, domain, x, params), {x},
                [sx = Saved(x), dx](const Tensor& dy, const Node& node) {
                  return Grads{rounded_once(dy, sx.get(node), dx)};
                });
}

// y = kernel(x) with the gradient dx(dy, y).
template <class Gradient>
Tensor from_result(const char* op, UnaryOp kernel, Domain domain, const TensorArg& x, Gradient dx) {
  Array y = unary(op, kernel, domain, x);
  return record(op, y, {x}, [sy = SavedResult(y), dx](const Tensor& dy, const Node& node) {
    return Grads{rounded_once(dy, sy.get(node), dx)};
  });
}

// y = kernel(x), constant almost everywhere.
Tensor flat(const char* op, UnaryOp kernel, Domain domain, const TensorArg& x);

// y = kernel(a, b) with the gradients da(dy, a, b) and db(dy, a, b) of the result's shape.
template <class GradientA, class GradientB>
Tensor from_inputs(const char* op, BinaryOp kernel, Domain domain, const TensorArg& a,
                   const TensorArg& b, GradientA da, GradientB db) {
  return record(op, binary(op, kernel, domain, a.data(), b.data()), {a, b},
                [sa = Saved(a), sb = Saved(b), da, db](const Tensor& grad, const Node& node) {
                  Tensor own_a = sa.get(node);
                  Tensor own_b = sb.get(node);
                  Tensor dy = widened(grad, grad.dtype());
                  Tensor a = widened(own_a, grad.dtype());
                  Tensor b = widened(own_b, grad.dtype());
                  Grads grads(2);
                  if (node.wants(0)) grads[0] = to_like(da(dy, a, b), Like(own_a));
                  if (node.wants(1)) grads[1] = to_like(db(dy, a, b), Like(own_b));
                  return grads;
                });
}

}  // namespace tessera::pointwise
