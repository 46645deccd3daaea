#include "nn/layers/patches.h"

#include "autograd/ops/patches.h"

namespace tessera::nn {

Unfold::Unfold(Module* parent, std::string name, const Dims& kernel, WindowOptions options)
    : OwnLayer({parent, std::move(name)}), kernel_(kernel), options_(std::move(options)) {}

Tensor Unfold::forward(const Tensor& x) const {
  return unfold(x, kernel_, options_.dilation, options_.padding, options_.stride);
}

Fold::Fold(Module* parent, std::string name, const Dims& out_size, const Dims& kernel,
           WindowOptions options)
    : OwnLayer({parent, std::move(name)}),
      out_size_(out_size),
      kernel_(kernel),
      options_(std::move(options)) {}

Tensor Fold::forward(const Tensor& x) const {
  return fold(x, out_size_, kernel_, options_.dilation, options_.padding, options_.stride);
}

}  // namespace tessera::nn
