#include "nn/layers/container.h"

#include "autograd/ops/shape.h"

namespace tessera::nn {

Tensor Sequential::operator()(const Tensor& x) const {
  Tensor y = x;
  for (const auto& layer : layers_) y = (*layer)(y);
  return y;
}

Tensor Flatten::operator()(const Tensor& x) const { return flatten(x, start_, end_); }

}  // namespace tessera::nn
