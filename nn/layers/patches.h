// Images as the patches under a sliding window, and back: the functions in autograd/ops/patches.h
// as layers. Lists hold one number for both dims, or one for each.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

struct WindowOptions {
  Dims dilation = {1};
  Dims padding = {0};
  Dims stride = {1};
};

// x (N, C, H, W) -> (N, C KH KW, L)
class Unfold : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Unfold(Module* parent, std::string name, const Dims& kernel, WindowOptions options = {});
  Unfold(Module* parent, std::string name, int64_t kernel, WindowOptions options = {})
      : Unfold(parent, std::move(name), Dims{kernel}, std::move(options)) {}
  Unfold(NotThis, const Dims& kernel, WindowOptions options = {}) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  Dims kernel_;
  WindowOptions options_;
};

// x (N, C KH KW, L) -> (N, C, H, W) of out_size
class Fold : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Fold(Module* parent, std::string name, const Dims& out_size, const Dims& kernel,
       WindowOptions options = {});
  Fold(NotThis, const Dims& out_size, const Dims& kernel, WindowOptions options = {}) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  Dims out_size_;
  Dims kernel_;
  WindowOptions options_;
};

}  // namespace tessera::nn
