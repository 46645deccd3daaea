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
                    options_.count_include_pad, options_.divisor_override);
}

MaxPool1d::MaxPool1d(Module* parent, std::string name, int64_t kernel, MaxPool1dOptions options)
    : OwnLayer({parent, std::move(name)}), kernel_(kernel), options_(options) {}

Tensor MaxPool1d::forward(const Tensor& x) const {
  return max_pool1d(x, kernel_, options_.stride, options_.padding, options_.dilation,
                    options_.ceil_mode);
}

AvgPool1d::AvgPool1d(Module* parent, std::string name, int64_t kernel, AvgPool1dOptions options)
    : OwnLayer({parent, std::move(name)}), kernel_(kernel), options_(options) {}

Tensor AvgPool1d::forward(const Tensor& x) const {
  return avg_pool1d(x, kernel_, options_.stride, options_.padding, options_.ceil_mode,
                    options_.count_include_pad);
}

MaxPool3d::MaxPool3d(Module* parent, std::string name, const Dims& kernel, MaxPool3dOptions options)
    : OwnLayer({parent, std::move(name)}), kernel_(kernel), options_(std::move(options)) {}

Tensor MaxPool3d::forward(const Tensor& x) const {
  return max_pool3d(x, kernel_, options_.stride, options_.padding, options_.dilation,
                    options_.ceil_mode);
}

AvgPool3d::AvgPool3d(Module* parent, std::string name, const Dims& kernel, AvgPool3dOptions options)
    : OwnLayer({parent, std::move(name)}), kernel_(kernel), options_(std::move(options)) {}

Tensor AvgPool3d::forward(const Tensor& x) const {
  return avg_pool3d(x, kernel_, options_.stride, options_.padding, options_.ceil_mode,
                    options_.count_include_pad, options_.divisor_override);
}

}  // namespace tessera::nn
