// Pooling of sequences (N, C, L), images (N, C, H, W) and volumes (N, C, D, H, W), as the functions
// in autograd/ops/pool.h and pool3d.h. Lists of sizes hold one number for all dims, or one for
// each.
#pragma once

#include <optional>

#include "autograd/ops/pool3d.h"
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
  std::optional<int64_t> divisor_override = std::nullopt;
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

struct MaxPool1dOptions {
  int64_t stride = 0;  // 0: the kernel's size
  int64_t padding = 0;
  int64_t dilation = 1;
  bool ceil_mode = false;
};

class MaxPool1d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  MaxPool1d(Module* parent, std::string name, int64_t kernel, MaxPool1dOptions options = {});
  MaxPool1d(NotThis, int64_t kernel, MaxPool1dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  int64_t kernel_;
  MaxPool1dOptions options_;
};

struct AvgPool1dOptions {
  int64_t stride = 0;  // 0: the kernel's size
  int64_t padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
};

class AvgPool1d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  AvgPool1d(Module* parent, std::string name, int64_t kernel, AvgPool1dOptions options = {});
  AvgPool1d(NotThis, int64_t kernel, AvgPool1dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  int64_t kernel_;
  AvgPool1dOptions options_;
};

using MaxPool3dOptions = MaxPool2dOptions;

class MaxPool3d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  MaxPool3d(Module* parent, std::string name, const Dims& kernel, MaxPool3dOptions options = {});
  MaxPool3d(Module* parent, std::string name, int64_t kernel, MaxPool3dOptions options = {})
      : MaxPool3d(parent, std::move(name), Dims{kernel}, std::move(options)) {}
  MaxPool3d(NotThis, const Dims& kernel, MaxPool3dOptions options = {}) = delete;
  MaxPool3d(NotThis, int64_t kernel, MaxPool3dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  Dims kernel_;
  MaxPool3dOptions options_;
};

using AvgPool3dOptions = AvgPool2dOptions;

class AvgPool3d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  AvgPool3d(Module* parent, std::string name, const Dims& kernel, AvgPool3dOptions options = {});
  AvgPool3d(Module* parent, std::string name, int64_t kernel, AvgPool3dOptions options = {})
      : AvgPool3d(parent, std::move(name), Dims{kernel}, std::move(options)) {}
  AvgPool3d(NotThis, const Dims& kernel, AvgPool3dOptions options = {}) = delete;
  AvgPool3d(NotThis, int64_t kernel, AvgPool3dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  Dims kernel_;
  AvgPool3dOptions options_;
};

// To images or volumes of out_size: one number for all dims, or one for each, of which `none` is
// the input's.
template <Tensor (*kFunction)(TensorArg, const AdaptiveSize&)>
class AdaptivePool : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  AdaptivePool(Module* parent, std::string name, const AdaptiveSize& out_size)
      : OwnLayer({parent, std::move(name)}), out_size_(out_size) {}
  AdaptivePool(Module* parent, std::string name, int64_t out_size)
      : AdaptivePool(parent, std::move(name), AdaptiveSize(Dims{out_size})) {}
  AdaptivePool(NotThis, const AdaptiveSize& out_size) = delete;
  Tensor forward(const Tensor& x) const override { return kFunction(x, out_size_); }

 private:
  AdaptiveSize out_size_;
};

struct AdaptiveAvgPool1d : NumberLayer<adaptive_avg_pool1d> {
  using NumberLayer::NumberLayer;
};
struct AdaptiveMaxPool1d : NumberLayer<adaptive_max_pool1d> {
  using NumberLayer::NumberLayer;
};
struct AdaptiveAvgPool2d : AdaptivePool<adaptive_avg_pool2d> {
  using AdaptivePool::AdaptivePool;
};
struct AdaptiveMaxPool2d : AdaptivePool<adaptive_max_pool2d> {
  using AdaptivePool::AdaptivePool;
};
struct AdaptiveAvgPool3d : AdaptivePool<adaptive_avg_pool3d> {
  using AdaptivePool::AdaptivePool;
};
struct AdaptiveMaxPool3d : AdaptivePool<adaptive_max_pool3d> {
  using AdaptivePool::AdaptivePool;
};

}  // namespace tessera::nn
