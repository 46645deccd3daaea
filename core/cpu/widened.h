// Operands of 16-bit products in f32, as the CPU takes them.
#pragma once

#include "core/array.h"

namespace tessera::cpu {

// x in f32, with its stride of 0 along the batch and its layout kept; x itself where undefined.
inline Array widened(const Array& x) {
  if (!x.defined()) return x;
  if (x.dim() == 3 && x.strides()[0] == 0 && x.shape()[0] > 1) {
    return widened(x.slice(0, 0, 1)).expand(x.shape());
  }
  if (x.dim() == 3 && x.strides()[2] != 1) return x.transpose(1, 2).to(DType::f32).transpose(1, 2);
  return x.to(DType::f32);
}

}  // namespace tessera::cpu
