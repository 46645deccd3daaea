// How two sets of tensors differ.
#pragma once

#include <cstdint>

#include "distributed/checkpoint/tensor_source.h"

namespace tessera::commands {

struct ArrayDifference {
  int64_t elements = 0;     // whose bits differ
  double max_absolute = 0;  // |a - b|; infinite where one is a NaN or infinite and the other is not
  double max_relative = 0;  // |a - b| / max(|a|, |b|)
};
// Of two arrays of one shape; of any dtypes.
ArrayDifference difference(const Array& a, const Array& b);

// Prints a line for every tensor that differs, or is in one only, and a summary.
void print_differences(const TensorSource& a, const TensorSource& b);

}  // namespace tessera::commands
