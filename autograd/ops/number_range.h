// Whether a dtype can hold a number that a caller gave.
#pragma once

#include "core/scalar.h"

namespace tessera {

// An error, naming op, where `number`, cut off to an integer for integer dtypes, is beyond what
// dtype holds. Infinities and NaN are floating numbers that every floating dtype holds.
void check_in_range(const char* op, const Scalar& number, DType dtype);

}  // namespace tessera
