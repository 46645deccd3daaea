#include "nn/layers/normalize.h"

#include "autograd/ops/batch_arg.h"
#include "autograd/ops/batch_norm.h"
#include "autograd/ops/normalize.h"
#include "autograd/running_statistics.h"

namespace tessera::nn {

LayerNorm::LayerNorm(Module* parent, std::string name, const Dims& normalized_shape,
                     LayerNormOptions options)
    : OwnLayer({parent, std::move(name)}), normalized_shape_(normalized_shape), eps_(options.eps) {
  if (!options.affine) return;
  weight = add_parameter("weight", normalized_shape, Init::constant(1));
  if (options.bias) bias = add_parameter("bias", normalized_shape, Init::constant(0));
}

LayerNorm::LayerNorm(Module* parent, std::string name, int64_t width, LayerNormOptions options)
    : LayerNorm(parent, std::move(name), Dims{width}, options) {}

Tensor LayerNorm::forward(const Tensor& x) const {
  return layer_norm(x, normalized_shape_, weight, bias, eps_);
}

RmsNorm::RmsNorm(Module* parent, std::string name, const Dims& normalized_shape,
                 RmsNormOptions options)
    : OwnLayer({parent, std::move(name)}), normalized_shape_(normalized_shape), eps_(options.eps) {
  if (options.affine) weight = add_parameter("weight", normalized_shape, Init::constant(1));
}

RmsNorm::RmsNorm(Module* parent, std::string name, int64_t width, RmsNormOptions options)
    : RmsNorm(parent, std::move(name), Dims{width}, options) {}

Tensor RmsNorm::forward(const Tensor& x) const {
  return rms_norm(x, normalized_shape_, weight, eps_);
}

GroupNorm::GroupNorm(Module* parent, std::string name, int64_t num_groups, int64_t channels,
                     GroupNormOptions options)
    : OwnLayer({parent, std::move(name)}), num_groups_(num_groups), eps_(options.eps) {
  TESSERA_CHECK(num_groups >= 1 && channels % num_groups == 0,
                "[GroupNorm] {} groups do not divide {} channels", num_groups, channels);
  if (!options.affine) return;
  weight = add_parameter("weight", {channels}, Init::constant(1));
  bias = add_parameter("bias", {channels}, Init::constant(0));
}

Tensor GroupNorm::forward(const Tensor& x) const {
  return group_norm(x, num_groups_, weight, bias, eps_);
}

ChannelNorm::ChannelNorm(Module* parent, std::string name, int64_t channels,
                         BatchNormOptions options)
    : OwnLayer({parent, std::move(name)}), options_(options) {
  if (options.affine) {
    weight = add_parameter("weight", {channels}, Init::constant(1));
    bias = add_parameter("bias", {channels}, Init::constant(0));
  }
  if (!options.track_running_stats) return;
  running_mean = add_buffer("running_mean", Array::zeros({channels}));
  running_var = add_buffer("running_var", Array::full({channels}, 1));
  num_batches_tracked = add_buffer("num_batches_tracked", Array::zeros({}, DType::i64));
}

BatchNorm::BatchNorm(Module* parent, std::string name, int64_t channels, BatchNormOptions options,
                     size_t fewest, size_t most)
    : ChannelNorm(parent, std::move(name), channels, options), fewest_(fewest), most_(most) {}

int64_t BatchNorm::batches_with_this() const {
  bool known = num_batches_tracked.device().type != DeviceType::meta;
  return known ? num_batches_tracked.item<int64_t>() + 1 : 1;
}

Tensor BatchNorm::forward(const Tensor& x) const {
  TESSERA_CHECK(x.dim() >= fewest_ && x.dim() <= most_,
                "[BatchNorm] expected an input of {} to {} dims, got {}", fewest_, most_,
                x.shape());
  double momentum = 0;
  if (training() && num_batches_tracked.defined()) {
    // Only a mean over all batches needs their number, which no plan knows.
    momentum =
        options().momentum ? *options().momentum : 1 / static_cast<double>(batches_with_this());
    observe_batch(num_batches_tracked.data());
  }
  return batch_norm(x, running_mean, running_var, weight, bias, uses_own_moments(), momentum,
                    options().eps);
}

BatchNorm1d::BatchNorm1d(Module* parent, std::string name, int64_t channels,
                         BatchNormOptions options)
    : BatchNorm(parent, std::move(name), channels, options, 2, 3) {}

BatchNorm2d::BatchNorm2d(Module* parent, std::string name, int64_t channels,
                         BatchNormOptions options)
    : BatchNorm(parent, std::move(name), channels, options, 4, 4) {}

BatchNorm3d::BatchNorm3d(Module* parent, std::string name, int64_t channels,
                         BatchNormOptions options)
    : BatchNorm(parent, std::move(name), channels, options, 5, 5) {}

InstanceNorm::InstanceNorm(Module* parent, std::string name, int64_t channels,
                           BatchNormOptions options, size_t dims)
    : ChannelNorm(parent, std::move(name), channels, options), dims_(dims) {}

Tensor InstanceNorm::forward(const Tensor& x) const {
  BatchArg batch("InstanceNorm",
                 dims_ == 3   ? "(N, C, L)"
                 : dims_ == 4 ? "(N, C, H, W)"
                              : "(N, C, D, H, W)",
                 x, dims_);
  return batch.back(instance_norm(*batch, running_mean, running_var, weight, bias,
                                  uses_own_moments(), options().momentum.value_or(0),
                                  options().eps));
}

InstanceNorm1d::InstanceNorm1d(Module* parent, std::string name, int64_t channels,
                               BatchNormOptions options)
    : InstanceNorm(parent, std::move(name), channels, options, 3) {}

InstanceNorm2d::InstanceNorm2d(Module* parent, std::string name, int64_t channels,
                               BatchNormOptions options)
    : InstanceNorm(parent, std::move(name), channels, options, 4) {}

InstanceNorm3d::InstanceNorm3d(Module* parent, std::string name, int64_t channels,
                               BatchNormOptions options)
    : InstanceNorm(parent, std::move(name), channels, options, 5) {}

LocalResponseNorm::LocalResponseNorm(Module* parent, std::string name, int64_t size, double alpha,
                                     double beta, double k)
    : OwnLayer({parent, std::move(name)}), size_(size), alpha_(alpha), beta_(beta), k_(k) {
  TESSERA_CHECK(size >= 1, "[LocalResponseNorm] expected a size of at least 1, got {}", size);
}

Tensor LocalResponseNorm::forward(const Tensor& x) const {
  return local_response_norm(x, size_, alpha_, beta_, k_);
}

}  // namespace tessera::nn
