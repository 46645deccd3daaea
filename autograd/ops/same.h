// Whether tensors hold the same numbers.
#pragma once

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// One shape and equal elements, compared in the dtype that both promote to. No NaN equals another.
bool equal(TensorArg a, TensorArg b);
// Whether isclose holds everywhere; a and b broadcast.
bool allclose(TensorArg a, TensorArg b, double rtol = 1e-5, double atol = 1e-8,
              bool equal_nan = false);

// For each of elements whether any of tests equals it (whether none does, if invert): bool, of
// elements' shape. assume_unique changes nothing in the result.
Tensor isin(TensorArg elements, TensorArg tests, bool assume_unique = false, bool invert = false);
Tensor isin(TensorArg elements, Scalar test, bool assume_unique = false, bool invert = false);
Tensor isin(Scalar element, TensorArg tests, bool assume_unique = false, bool invert = false);

}  // namespace tessera
