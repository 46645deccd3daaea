// Whether numbers are numbers.
#pragma once

#include "core/array.h"

namespace tessera {

// Whether no element is NaN or infinite; true of dtypes that know neither, and on meta. Reads the
// array once, at the speed of memory, where it is: the host waits for the answer.
bool all_finite(const Array& array);

// How many elements are NaN or infinite.
int64_t count_nonfinite(const Array& array);

}  // namespace tessera
