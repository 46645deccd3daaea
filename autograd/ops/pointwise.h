// What elementwise operations share: dtypes and shapes of results, and the way back for gradients.
#pragma once

#include "autograd/record.h"
#include "core/kernels.h"
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

// A number as a 0-d array beside x. It counts as of dtype promoted(x, number), and is kept in at
// least f32, in which 16-bit arithmetic is done.
Array beside(const Tensor& x, const Scalar& number, DType promoted);

// An input as its gradient must be: a sum undoes broadcasting, a conversion undoes promotion.
struct Like {
  explicit Like(const Tensor& x) : shape(x.shape()), dtype(x.dtype()) {}
  Dims shape;
  DType dtype;
};
Tensor to_like(const Tensor& grad, const Like& input);

Tensor zeros_like(const Tensor& x);

// y = kernel(x) with the gradient dx(dy, x).
template <class Gradient>
Tensor from_input(const char* op, UnaryOp kernel, Domain domain, const TensorArg& x, Gradient dx,
                  const ElementwiseParams& params = {}) {
  return record(op, unary(op, kernel, domain, x, params), {x},
                [sx = Saved(x), dx](const Tensor& dy, const Node& node) {
                  return Grads{dx(dy, sx.get(node))};
                });
}

// y = kernel(x) with the gradient dx(dy, y).
template <class Gradient>
Tensor from_result(const char* op, UnaryOp kernel, Domain domain, const TensorArg& x, Gradient dx) {
  Array y = unary(op, kernel, domain, x);
  return record(op, y, {x}, [sy = SavedResult(y), dx](const Tensor& dy, const Node& node) {
    return Grads{dx(dy, sy.get(node))};
  });
}

// y = kernel(x), constant almost everywhere.
Tensor flat(const char* op, UnaryOp kernel, Domain domain, const TensorArg& x);

// y = kernel(a, b) with the gradients da(dy, a, b) and db(dy, a, b) of the result's shape.
template <class GradientA, class GradientB>
Tensor from_inputs(const char* op, BinaryOp kernel, Domain domain, const TensorArg& a,
                   const TensorArg& b, GradientA da, GradientB db) {
  return record(op, binary(op, kernel, domain, a.data(), b.data()), {a, b},
                [sa = Saved(a), sb = Saved(b), da, db](const Tensor& dy, const Node& node) {
                  Tensor a = sa.get(node);
                  Tensor b = sb.get(node);
                  Grads grads(2);
                  if (node.wants(0)) grads[0] = to_like(da(dy, a, b), Like(a));
                  if (node.wants(1)) grads[1] = to_like(db(dy, a, b), Like(b));
                  return grads;
                });
}

}  // namespace tessera::pointwise
