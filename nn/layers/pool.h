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

class MaxPool2d : public Layer {
 public:
  MaxPool2d(Module* parent, std::string name, const Dims& kernel, MaxPool2dOptions options = {});
  Tensor operator()(const Tensor& x) const override;

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

class AvgPool2d : public Layer {
 public:
  AvgPool2d(Module* parent, std::string name, const Dims& kernel, AvgPool2dOptions options = {});
  Tensor operator()(const Tensor& x) const override;

 private:
  Dims kernel_;
  AvgPool2dOptions options_;
};

// To images of out_size: one number for both dims, or one for each.
class AdaptiveAvgPool2d : public Layer {
 public:
  AdaptiveAvgPool2d(Module* parent, std::string name, const Dims& out_size);
  Tensor operator()(const Tensor& x) const override;

 private:
  Dims out_size_;
};

}  // namespace tessera::nn
