// Finding the first gradient that is not a number.
#pragma once

#include "autograd/node.h"
#include "autograd/tensor.h"

namespace tessera {

// Throws Error when one of dxs, which `node` made of dys, is not finite: the message names the
// operation, the input, both shapes, the module path and the place of the forward call.
void check_gradients(const Node& node, const Grads& dxs, const Grads& dys);

// The same for what the caller gave to backward.
void check_first_gradients(const Grads& grads);

}  // namespace tessera
