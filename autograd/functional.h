// Derivatives of whole functions.
#pragma once

#include <functional>
#include <vector>

#include "autograd/tensor.h"

namespace tessera {

// Functions of one tensor. They are called with grad mode on, with a leaf that has x's elements.
using UnaryFunction = std::function<Tensor(const Tensor& x)>;

// d fn(x) / d x, of shape fn(x).shape + x.shape: row by row, one backward for each element of the
// result. With create_graph the result can be differentiated; x's own history is then part of it.
Tensor jacobian(const UnaryFunction& fn, const Tensor& x, bool create_graph = false);

// d^2 fn(x) / d x^2 for a result of one element, of shape x.shape + x.shape.
Tensor hessian(const UnaryFunction& fn, const Tensor& x);

struct ValueAndProduct {
  Tensor value;    // fn(x)
  Tensor product;  // constant
};

// v^T J for v of fn(x)'s shape: one backward. The product has x's shape.
ValueAndProduct vjp(const UnaryFunction& fn, const Tensor& x, const Tensor& v);

// J v for v of x's shape, of fn(x)'s shape: two backwards, since v^T J is linear in v and its
// gradient with respect to v is J.
ValueAndProduct jvp(const UnaryFunction& fn, const Tensor& x, const Tensor& v);

// H v for v of x's shape and a result of one element: a backward through a backward, without H.
ValueAndProduct hvp(const UnaryFunction& fn, const Tensor& x, const Tensor& v);

}  // namespace tessera
