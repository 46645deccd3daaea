// The sum, which is most of what ranks do to each other's arrays, at the speed of memory.
#pragma once

#include <cstdint>
#include <span>

#include "core/dtype.h"

namespace tessera {

// Whether sum_in_order is for this dtype: f32 and f64.
bool sums_fast(DType dtype);
// outputs[k][i] = inputs[0][i] + inputs[1][i] + ..., from left to right; outputs may be inputs.
void sum_in_order(DType dtype, std::span<const void* const> inputs, std::span<void* const> outputs,
                  int64_t count);

}  // namespace tessera
