// Copies that join, repeat and move elements. Those of core/shape.h.
#pragma once

#include <vector>

#include "autograd/tensor_arg.h"
#include "core/shape.h"

namespace tessera {

using arrays::PadMode;

// The dtypes are promoted to a common one.
Tensor cat(const std::vector<Tensor>& xs, int64_t dim = 0, CallSite site = {});
Tensor stack(const std::vector<Tensor>& xs, int64_t dim = 0, CallSite site = {});
Tensor repeat(TensorArg x, const Dims& repeats);
Tensor tile(TensorArg x, const Dims& repeats);
Tensor flip(TensorArg x, const Dims& dims);
Tensor roll(TensorArg x, const Dims& shifts, const Dims& dims = {});
Tensor tril(TensorArg x, int64_t diagonal = 0);
Tensor triu(TensorArg x, int64_t diagonal = 0);
Tensor pad(TensorArg x, const Dims& padding, PadMode mode = PadMode::constant, Scalar value = 0);

}  // namespace tessera
