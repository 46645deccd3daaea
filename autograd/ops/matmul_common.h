// What functions with matrix products inside share with linear.
#pragma once

#include "autograd/node.h"
#include "autograd/tensor.h"

namespace tessera {

// x (B, M, N) as the kernel takes it: with stride 1 in one of the last two dims, copied where it
// has none.
Array with_unit_stride(const Array& x);

// The gradients of linear(x, weight[, bias]) as Tensor functions, for when they are differentiated
// in their turn: one for each edge of the node.
Grads linear_grads(const Tensor& x, const Tensor& weight, const Tensor& dy, const Node& node);

}  // namespace tessera
