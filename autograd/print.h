// Tensors as text.
#pragma once

#include <string>

#include "autograd/tensor.h"
#include "core/describe.h"
#include "core/print.h"

namespace tessera {

// The elements as those of its array, then what the tensor is, with the operation that made it or
// whether it collects a gradient:
//   [3., 4.]
//   Tensor(shape=(2,), dtype=f32, grad_fn=add)
std::string to_string(const Tensor& tensor, const PrintOptions& options = {});

// Of its elements; see core/describe.h.
Description describe(const Tensor& tensor);

}  // namespace tessera
