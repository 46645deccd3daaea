// Normalization: LayerNorm, RmsNorm, GroupNorm, BatchNorm1d to 3d, InstanceNorm1d to 3d,
// LocalResponseNorm. weight starts at 1 and bias at 0; both are undefined in a layer without
// affine.
#pragma once

#include <optional>

#include "nn/layers/layer.h"

namespace tessera::nn {

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;
  bool bias = true;  // if affine
};

// Over the last dims, of sizes normalized_shape.
class LayerNorm : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  LayerNorm(Module* parent, std::string name, const Dims& normalized_shape,
            LayerNormOptions options = {});
  LayerNorm(Module* parent, std::string name, int64_t width, LayerNormOptions options = {});
  LayerNorm(NotThis, const Dims& normalized_shape, LayerNormOptions options = {}) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  Dims normalized_shape_;
  double eps_;
};

struct RmsNormOptions {
  std::optional<double> eps = std::nullopt;  // none: that of the dtype
  bool affine = true;
};

class RmsNorm : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  RmsNorm(Module* parent, std::string name, const Dims& normalized_shape,
          RmsNormOptions options = {});
  RmsNorm(Module* parent, std::string name, int64_t width, RmsNormOptions options = {});
  RmsNorm(NotThis, const Dims& normalized_shape, RmsNormOptions options = {}) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;

 private:
  Dims normalized_shape_;
  std::optional<double> eps_;
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
};

// x (N, channels, ...); num_groups divides channels.
class GroupNorm : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  GroupNorm(Module* parent, std::string name, int64_t num_groups, int64_t channels,
            GroupNormOptions options = {});
  GroupNorm(NotThis, int64_t num_groups, int64_t channels, GroupNormOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  int64_t num_groups_;
  double eps_;
};

struct BatchNormOptions {
  double eps = 1e-5;
  // Of the running statistics; none: batch norm keeps the means over all batches so far, and
  // instance norm, as in PyTorch, what was there.
  std::optional<double> momentum = 0.1;
  bool affine = true;
  bool track_running_stats = true;
};

// What norms of channels with running statistics share. Buffers: running_mean starts at 0,
// running_var at 1, num_batches_tracked (i64, zero-dimensional, counted by batch norm) at 0;
// undefined unless tracked.
class ChannelNorm : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Tensor weight;
  Tensor bias;
  Tensor running_mean;
  Tensor running_var;
  Tensor num_batches_tracked;

 protected:
  ChannelNorm(Module* parent, std::string name, int64_t channels, BatchNormOptions options);
  const BatchNormOptions& options() const { return options_; }
  // Whether the input's own statistics are used.
  bool uses_own_moments() const { return training() || !running_mean.defined(); }

 private:
  BatchNormOptions options_;
};

// Over all dims but the channels': with the batch's own statistics in training, and where no
// running ones are tracked.
class BatchNorm : public ChannelNorm {
 public:
  using ChannelNorm::ChannelNorm;
  Tensor forward(const Tensor& x) const override;

 protected:
  // Takes x of `fewest` to `most` dims.
  BatchNorm(Module* parent, std::string name, int64_t channels, BatchNormOptions options,
            size_t fewest, size_t most);

 private:
  int64_t batches_with_this() const;

  size_t fewest_, most_;
};

// x (N, channels) or (N, channels, L)
class BatchNorm1d : public BatchNorm {
 public:
  using BatchNorm::BatchNorm;
  BatchNorm1d(Module* parent, std::string name, int64_t channels, BatchNormOptions options = {});
  BatchNorm1d(NotThis, int64_t channels, BatchNormOptions options) = delete;
};

// x (N, channels, H, W)
class BatchNorm2d : public BatchNorm {
 public:
  using BatchNorm::BatchNorm;
  BatchNorm2d(Module* parent, std::string name, int64_t channels, BatchNormOptions options = {});
  BatchNorm2d(NotThis, int64_t channels, BatchNormOptions options) = delete;
};

// x (N, channels, D, H, W)
class BatchNorm3d : public BatchNorm {
 public:
  using BatchNorm::BatchNorm;
  BatchNorm3d(Module* parent, std::string name, int64_t channels, BatchNormOptions options = {});
  BatchNorm3d(NotThis, int64_t channels, BatchNormOptions options) = delete;
};

// What instance norm is unless told otherwise.
inline constexpr BatchNormOptions kPlainInstanceNorm{.affine = false, .track_running_stats = false};

// Each channel of each sample by itself; the batch may be missing. As in PyTorch without affine and
// running statistics, unless told otherwise.
class InstanceNorm : public ChannelNorm {
 public:
  using ChannelNorm::ChannelNorm;
  Tensor forward(const Tensor& x) const override;

 protected:
  // Takes x of `dims` dims, the batch's included.
  InstanceNorm(Module* parent, std::string name, int64_t channels, BatchNormOptions options,
               size_t dims);

 private:
  size_t dims_;
};

// x (N, channels, L)
class InstanceNorm1d : public InstanceNorm {
 public:
  using InstanceNorm::InstanceNorm;
  InstanceNorm1d(Module* parent, std::string name, int64_t channels,
                 BatchNormOptions options = kPlainInstanceNorm);
  InstanceNorm1d(NotThis, int64_t channels, BatchNormOptions options) = delete;
};

// x (N, channels, H, W)
class InstanceNorm2d : public InstanceNorm {
 public:
  using InstanceNorm::InstanceNorm;
  InstanceNorm2d(Module* parent, std::string name, int64_t channels,
                 BatchNormOptions options = kPlainInstanceNorm);
  InstanceNorm2d(NotThis, int64_t channels, BatchNormOptions options) = delete;
};

// x (N, channels, D, H, W)
class InstanceNorm3d : public InstanceNorm {
 public:
  using InstanceNorm::InstanceNorm;
  InstanceNorm3d(Module* parent, std::string name, int64_t channels,
                 BatchNormOptions options = kPlainInstanceNorm);
  InstanceNorm3d(NotThis, int64_t channels, BatchNormOptions options) = delete;
};

// Over `size` channels around each: x (N, C, positions...).
class LocalResponseNorm : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  LocalResponseNorm(Module* parent, std::string name, int64_t size, double alpha = 1e-4,
                    double beta = 0.75, double k = 1);
  Tensor forward(const Tensor& x) const override;

 private:
  int64_t size_;
  double alpha_;
  double beta_;
  double k_;
};

}  // namespace tessera::nn
