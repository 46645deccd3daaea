// Matrices in memory, for products.
#pragma once

#include <cstdint>

namespace tessera::cpu {

// An (m, n) matrix in memory: element (i, j) lies at data[i * row_stride + j * col_stride], and one
// of the strides is 1.
template <class T>
struct MatrixView {
  const T* data;
  int64_t row_stride;
  int64_t col_stride;
};

}  // namespace tessera::cpu
