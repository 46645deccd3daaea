// Where the loops of the elementwise functions are found.
#pragma once

#include "core/cpu/elementwise.h"

namespace tessera::cpu {

// The loop of op in a compute dtype (f32, f64 or i64), written element by element; null where
// there is none. Its result is bool where gives_bool(op), the compute dtype otherwise.
Loop scalar_loop(UnaryOp op, DType compute);
Loop scalar_loop(BinaryOp op, DType compute);

}  // namespace tessera::cpu
