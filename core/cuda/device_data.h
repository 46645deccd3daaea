// The elements of arrays, for kernels.
#pragma once

#include <type_traits>

#include "core/array.h"

namespace tessera::cuda {

// The first element on the device. T, without const, must be the dtype's type.
template <class T>
T* device_data(const Array& x) {
  TESSERA_ASSERT(dtype_of<std::remove_const_t<T>>() == x.dtype());
  return static_cast<T*>(x.device_raw());
}

}  // namespace tessera::cuda
