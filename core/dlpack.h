// Arrays handed to and taken from other libraries without a copy:
// https://dmlc.github.io/dlpack/latest/c_api.html
#pragma once

#include <dlpack/dlpack.h>

#include "core/array.h"

namespace tessera {

// The array's elements, of any strides, as others read them. The receiver calls the result's
// deleter, once, from any thread; the memory lives until then. Both sides see each other's writes,
// and what autograd has saved does not notice them. An error for an undefined array and one on the
// meta device. A bool is exported with DLPack's code for it, 6.
DLManagedTensor* to_dlpack(const Array& array);

// The elements of somebody else's tensor; its deleter runs when the last array lets go of them. An
// error, after which the tensor is still the caller's, where its device or dtype has no
// counterpart here, where a stride is negative, and where shape or strides make no sense.
Array from_dlpack(DLManagedTensor* tensor);

}  // namespace tessera
