#include "nn/models/resnet.h"

#include <array>
#include <cmath>

#include "autograd/ops.h"
#include "nn/models/images.h"

namespace tessera::nn {
namespace {

constexpr int64_t kExpansion = 4;  // of a bottleneck's channels

// How many blocks each stage has.
std::array<int64_t, 4> blocks_of(int64_t depth) {
  if (depth == 18) return {2, 2, 2, 2};
  TESSERA_CHECK(depth == 34 || depth == 50, "[resnet] expected a depth of 18, 34 or 50, got {}",
                depth);
  return {3, 4, 6, 3};
}

const ResNetOptions& checked(const ResNetOptions& o) {
  blocks_of(o.depth);
  TESSERA_CHECK(o.channels >= 1 && o.size >= 1 && o.width >= 1 && o.classes >= 1,
                "[resnet] channels, size, width and classes must be at least 1");
  return o;
}

// Kaiming normal of fan_out (He et al. 2015), for the ReLU behind it.
void init_for_relu(Conv2d& conv) {
  const Dims& shape = conv.weight.shape();
  auto fan_out = static_cast<double>(shape[0] * shape[2] * shape[3]);
  conv.set_initial_values(conv.weight, Init::normal(std::sqrt(2 / fan_out)));
}

Conv2dOptions stem_options(ResNetStem stem) {
  if (stem == ResNetStem::cifar) return {.padding = {1}, .bias = false};
  return {.stride = {2}, .padding = {3}, .bias = false};
}

}  // namespace

ResNetBlock::ResNetBlock(Module* parent, std::string name, int64_t in, int64_t width,
                         int64_t stride, bool bottleneck, bool zero_init)
    : OwnLayer({parent, std::move(name)}),
      bottleneck_(bottleneck),
      conv1_(this, "conv1", in, width, bottleneck ? 1 : 3,
             {.stride = {bottleneck ? 1 : stride}, .padding = {bottleneck ? 0 : 1}, .bias = false}),
      bn1_(this, "bn1", width),
      conv2_(this, "conv2", width, width, 3,
             {.stride = {bottleneck ? stride : 1}, .padding = {1}, .bias = false}),
      bn2_(this, "bn2", width) {
  int64_t out = bottleneck ? kExpansion * width : width;
  init_for_relu(conv1_);
  init_for_relu(conv2_);
  if (bottleneck) {
    init_for_relu(conv3_.emplace(this, "conv3", width, out, 1, Conv2dOptions{.bias = false}));
    bn3_.emplace(this, "bn3", out);
  }
  if (zero_init) {
    BatchNorm2d& last = bottleneck ? *bn3_ : bn2_;
    last.set_initial_values(last.weight, Init::constant(0));
  }
  if (stride != 1 || in != out) {
    downsample_.emplace(this, "downsample")
        .add<Conv2d>(in, out, 1, Conv2dOptions{.stride = {stride}, .bias = false})
        .add<BatchNorm2d>(out);
    init_for_relu(downsample_->get<Conv2d>("0"));
  }
  make_block();
}

Tensor ResNetBlock::forward(const Tensor& x) const {
  Tensor y = bn2_(conv2_(relu(bn1_(conv1_(x)))));
  if (bottleneck_) y = (*bn3_)((*conv3_)(relu(y)));
  return relu(y + (downsample_ ? (*downsample_)(x) : x));
}

ResNet::ResNet(const ResNetOptions& options)
    : Classifier(options.classes),
      options_(checked(options)),
      features_(options.width),
      conv1_(this, "conv1", options.channels, options.width,
             options.stem == ResNetStem::cifar ? 3 : 7, stem_options(options.stem)),
      bn1_(this, "bn1", options.width),
      layer1_(this, "layer1"),
      layer2_(this, "layer2"),
      layer3_(this, "layer3"),
      layer4_(this, "layer4"),
      fc_(this, "fc", 8 * options.width * (options.depth >= 50 ? kExpansion : 1), options.classes) {
  keep_callers_place();
  init_for_relu(conv1_);
  std::array<int64_t, 4> blocks = blocks_of(options.depth);
  std::array<Sequential*, 4> stages{&layer1_, &layer2_, &layer3_, &layer4_};
  for (size_t i = 0; i < stages.size(); ++i) {
    add_stage(*stages[i], static_cast<int64_t>(i), blocks[i]);
  }
  conv1_.make_block();
  fc_.make_block();
}

void ResNet::add_stage(Sequential& stage, int64_t index, int64_t blocks) {
  bool bottleneck = options_.depth >= 50;
  int64_t width = options_.width << index;
  for (int64_t i = 0; i < blocks; ++i) {
    int64_t stride = i == 0 && index > 0 ? 2 : 1;
    stage.add<ResNetBlock>(features_, width, stride, bottleneck, options_.zero_init_residual);
    features_ = bottleneck ? kExpansion * width : width;
  }
}

Tensor ResNet::forward(const data::Batch& batch) {
  Tensor x = images_of(batch, "resnet", options_.channels, options_.size, fc_.weight.dtype());
  x = relu(bn1_(conv1_(channels_last(x))));
  if (options_.stem == ResNetStem::imagenet) x = max_pool2d(x, {3}, {2}, {1});
  for (const Sequential* stage : {&layer1_, &layer2_, &layer3_, &layer4_}) x = (*stage)(x);
  return fc_(mean(x, {2, 3}));
}

}  // namespace tessera::nn
