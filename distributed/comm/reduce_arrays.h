// The arithmetic of all_reduce and reduce_scatter, one for all communicators.
#pragma once

#include <span>

#include "distributed/comm/communicator.h"

namespace tessera {

// output[i] = inputs[0][i] (+) inputs[1][i] (+) ..., from left to right, for `count` elements of
// dtype. output may be one of the inputs. No inputs is an error.
void reduce_in_order(ReduceKind kind, DType dtype, std::span<const void* const> inputs,
                     void* output, int64_t count);
// The same result to several outputs.
void reduce_in_order(ReduceKind kind, DType dtype, std::span<const void* const> inputs,
                     std::span<void* const> outputs, int64_t count);

}  // namespace tessera
