// Applying a contiguous loop to strided arrays of any dtypes: what unary, binary and where share.
#pragma once

#include "core/array.h"
#include "core/kernels/elementwise.h"

namespace tessera::cpu {

// out[i] = formula(in[0][i], in[1][i], ...), element by element and without a view of anything
// else, so that a result's bits do not depend on where its block begins. out may be an input.
using Loop = void (*)(const void* const* in, void* out, size_t count, const double* params);

// The dtype in which results of this one are computed: f32, f64 or i64.
DType compute_dtype(DType dtype);

// Calls loop for all elements, on the pool. in[k] is handed over converted to loop_in[k]; the loop
// gives loop_out, which is converted to out's dtype. All arrays have out's shape; N is 1, 2 or 3.
// Results that need no conversion are the same bits for any strides.
template <size_t N>
void run_loop(Loop loop, const std::array<const Array*, N>& in, const std::array<DType, N>& loop_in,
              DType loop_out, const Array& out, const double* params);

}  // namespace tessera::cpu
