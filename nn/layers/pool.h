// Pooling of images (N, C, H, W), as the functions in autograd/ops/pool.h.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

struct MaxPool2dOptions {
  Dims stride = {};  // empty: the kernel's size
  Dims padding = {0};
  Dims dilation = {1};
  bool ceil_mode = false;
};

class MaxPool2d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  MaxPool2d(Module* parent, std::string name, const Dims& kernel, MaxPool2dOptions options = {});
  MaxPool2d(Module* parent, std::string name, int64_t kernel, MaxPool2dOptions options = {})
      : MaxPool2d(parent, std::move(name), Dims{kernel}, std::move(options)) {}
  MaxPool2d(NotThis, const Dims& kernel, MaxPool2dOptions options = {}) = delete;
  MaxPool2d(NotThis, int64_t kernel, MaxPool2dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  Dims kernel_;
  MaxPool2dOptions options_;
};

struct AvgPool2dOptions {
  Dims stride = {};  // empty: the kernel's size
  Dims padding = {0};
  bool ceil_mode = false;
  bool count_include_pad = true;
};

class AvgPool2d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  AvgPool2d(Module* parent, std::string name, const Dims& kernel, AvgPool2dOptions options = {});
  AvgPool2d(Module* parent, std::string name, int64_t kernel, AvgPool2dOptions options = {})
      : AvgPool2d(parent, std::move(name), Dims{kernel}, std::move(options)) {}
  AvgPool2d(NotThis, const Dims& kernel, AvgPool2dOptions options = {}) = delete;
  AvgPool2d(NotThis, int64_t kernel, AvgPool2dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  Dims kernel_;
  AvgPool2dOptions options_;
};

// To images of out_size: one number for both dims, or one for each.
class AdaptiveAvgPool2d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  AdaptiveAvgPool2d(Module* parent, std::string name, const Dims& out_size);
  AdaptiveAvgPool2d(Module* parent, std::string name, int64_t out_size)
      : AdaptiveAvgPool2d(parent, std::move(name), Dims{out_size}) {}
  AdaptiveAvgPool2d(NotThis, const Dims& out_size) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  Dims out_size_;
};

}  // namespace tessera::nn
