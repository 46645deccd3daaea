#include "nn/layers/pool.h"

#include "autograd/ops/pool.h"

namespace tessera::nn {

MaxPool2d::MaxPool2d(Module* parent, std::string name, const Dims& kernel, MaxPool2dOptions options)
    : OwnLayer({parent, std::move(name)}), kernel_(kernel), options_(std::move(options)) {}

Tensor MaxPool2d::forward(const Tensor& x) const {
  return max_pool2d(x, kernel_, options_.stride, options_.padding, options_.dilation,
                    options_.ceil_mode);
}

AvgPool2d::AvgPool2d(Module* parent, std::string name, const Dims& kernel, AvgPool2dOptions options)
    : OwnLayer({parent, std::move(name)}), kernel_(kernel), options_(std::move(options)) {}

Tensor AvgPool2d::forward(const Tensor& x) const {
  return avg_pool2d(x, kernel_, options_.stride, options_.padding, options_.ceil_mode,
                    options_.count_include_pad);
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Module* parent, std::string name, const Dims& out_size)
    : OwnLayer({parent, std::move(name)}), out_size_(out_size) {}

Tensor AdaptiveAvgPool2d::forward(const Tensor& x) const {
  return adaptive_avg_pool2d(x, out_size_);
}

}  // namespace tessera::nn
