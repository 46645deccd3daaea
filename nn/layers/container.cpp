#include "nn/layers/container.h"

#include "autograd/ops/shape.h"

namespace tessera::nn {

Tensor Sequential::forward(const Tensor& x) const {
  // Each layer starts from the place of this call, and one of the user's own has places of its own.
  const CallSite site = call_place.site;
  const NotComposed users;
  Tensor y = x;
  for (const auto& layer : layers_) y = (*layer)(y, site);
  return y;
}

Tensor Flatten::forward(const Tensor& x) const { return flatten(x, start_, end_); }

}  // namespace tessera::nn
