#include "nn/models/unet.h"

#include <cmath>

#include "autograd/ops.h"
#include "nn/models/images.h"

namespace tessera::nn {
namespace {

constexpr int64_t kMostLevels = 16;

const UnetOptions& checked(const UnetOptions& o) {
  TESSERA_CHECK(o.channels >= 1 && o.width >= 1 && o.classes >= 0,
                "[unet] expected at least one channel and a width of at least 1, and no negative "
                "number of classes");
  TESSERA_CHECK(o.levels >= 1 && o.levels <= kMostLevels, "[unet] expected 1 to {} levels, got {}",
                kMostLevels, o.levels);
  TESSERA_CHECK(o.size >= 1 && o.size % (int64_t{1} << o.levels) == 0,
                "[unet] images of {} x {} cannot be halved {} times", o.size, o.size, o.levels);
  TESSERA_CHECK(o.noise >= 0, "[unet] expected a noise of at least 0, got {}", o.noise);
  return o;
}

}  // namespace

UnetBlock::UnetBlock(Module* parent, std::string name, int64_t in, int64_t out)
    : OwnLayer({parent, std::move(name)}),
      conv1_(this, "conv1", in, out, 3, {.padding = {1}, .bias = false}),
      bn1_(this, "bn1", out),
      conv2_(this, "conv2", out, out, 3, {.padding = {1}, .bias = false}),
      bn2_(this, "bn2", out) {
  make_block();
}

Tensor UnetBlock::forward(const Tensor& x) const {
  return relu(bn2_(conv2_(relu(bn1_(conv1_(x))))));
}

UnetUp::UnetUp(Module* parent, std::string name, int64_t in)
    : Callable(parent, std::move(name)),
      up_(this, "up", in, in / 2, 2, {.stride = {2}}),
      merge_(this, "merge", in, in / 2) {
  keep_callers_place();
  make_block();
}

Tensor UnetUp::forward(const Tensor& x, const Tensor& skipped) const {
  return merge_(cat({skipped, up_(x)}, 1));
}

Unet::Unet(const UnetOptions& options)
    : options_(checked(options)),
      down_(this, "down"),
      middle_(this, "middle", options.width << (options.levels - 1),
              options.width << options.levels),
      up_(this, "up"),
      head_(this, "head", options.width, options.classes > 0 ? options.classes : options.channels,
            1) {
  keep_callers_place();
  for (int64_t level = 0; level < options.levels; ++level) {
    int64_t in = level == 0 ? options.channels : options.width << (level - 1);
    down_.emplace_back(in, options.width << level);
  }
  for (int64_t level = options.levels - 1; level >= 0; --level) {
    up_.emplace_back(options.width << (level + 1));
  }
  head_.make_block();
}

Tensor Unet::run(const Tensor& images) const {
  Tensor x = channels_last(images);
  std::vector<Tensor> skipped;
  for (size_t i = 0; i < down_.size(); ++i) {
    skipped.push_back(down_[i](x));
    x = max_pool2d(skipped.back(), {2});
  }
  x = middle_(x);
  for (size_t i = 0; i < up_.size(); ++i) {
    x = up_[i](x, skipped[skipped.size() - 1 - i]);
  }
  x = head_(x);
  return options_.classes > 0 ? permute(x, {0, 2, 3, 1}) : x;
}

Tensor Unet::images_in(const data::Batch& batch) const {
  return images_of(batch, "unet", options_.channels, options_.size, head_.weight.dtype());
}

Tensor Unet::forward(const data::Batch& batch) { return run(images_in(batch)); }

std::vector<MetricInfo> Unet::metrics() const {
  if (options_.classes > 0) return class_metrics(options_.classes);
  return {{.name = "psnr",
           .of_mean = [](double mean) { return -10 * std::log10(mean); },
           .higher_is_better = true}};
}

Tensor Unet::logits_of(const data::Batch& batch) const {
  Tensor images = images_in(batch);
  TESSERA_CHECK(batch.targets.defined() &&
                    batch.targets.shape() == (Dims{images.size(0), options_.size, options_.size}),
                "[unet] expected targets of {} x {} pixels a sample, got {}", options_.size,
                options_.size,
                batch.targets.defined() ? fmt::format("{}", batch.targets.shape()) : "none");
  return run(images);
}

Loss Unet::compute_loss(const data::Batch& batch) {
  const ModuleScope here(*this);
  const Composed scope;
  if (options_.classes > 0) return cross_entropy_loss(logits_of(batch), batch.targets);
  Tensor images = images_in(batch);
  Tensor seen = options_.noise > 0 ? images + noise_like(images) * options_.noise : images;
  // A sum over all pixels would not fit 16 bits.
  Tensor left = to(run(seen), DType::f32) - to(images, DType::f32);
  auto samples = static_cast<double>(images.size(0));
  // Of no samples the sum is 0, whatever it is divided by.
  double pixels = std::max(1.0, static_cast<double>(images.numel()));
  return {sum(square(left)) * (samples / pixels), samples};
}

Evaluation Unet::compute_evaluation(const data::Batch& batch) {
  if (options_.classes == 0) {
    Loss loss = compute_loss(batch);
    return {loss, {loss}};
  }
  const ModuleScope here(*this);
  const Composed scope;
  Tensor logits = logits_of(batch);
  return {cross_entropy_loss(logits, batch.targets), class_metrics_of(logits, batch.targets)};
}

}  // namespace tessera::nn
