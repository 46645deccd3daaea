// ResNet: convolutional networks for images with residual blocks.
#pragma once

#include <array>
#include <optional>

#include "core/words.h"
#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

enum class ResNetStem {
  imagenet,  // 7 x 7 with stride 2, then the largest of 3 x 3 with stride 2
  cifar,     // 3 x 3 with stride 1: for images of some 32 x 32
};
constexpr auto words_of(ResNetStem) {
  return std::array{Word{ResNetStem::imagenet, "imagenet"}, Word{ResNetStem::cifar, "cifar"}};
}

struct ResNetOptions {
  int64_t depth = 18;  // layers with weights: 18 or 34 (blocks of two convolutions), 50 (of three)
  ResNetStem stem = ResNetStem::cifar;
  int64_t channels = 1;  // of an image
  int64_t size = 28;     // rows, and columns
  int64_t width = 64;    // channels of the first stage; each of the other three has twice as many
  int64_t classes = 10;
  bool zero_init_residual =
      false;  // the last norm of each block starts at zero (Goyal et al. 2017)
};

// relu(f(x) + x), where f is two convolutions of 3 x 3, or 1 x 1, 3 x 3 and 1 x 1, each with its
// norm; the one of 3 x 3 that comes first has the stride. Where shapes differ, x goes through a
// convolution of 1 x 1 and a norm.
class ResNetBlock : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  // A bottleneck has three convolutions and gives 4 * width channels, else width.
  ResNetBlock(Module* parent, std::string name, int64_t in, int64_t width, int64_t stride,
              bool bottleneck, bool zero_init);
  Tensor forward(const Tensor& x) const override;

 private:
  bool bottleneck_;
  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
  std::optional<Conv2d> conv3_;
  std::optional<BatchNorm2d> bn3_;
  std::optional<Sequential> downsample_;
};

// He et al. 2016, as torchvision has it: its names, strides and first values (convolutions normal
// with sqrt(2 / fan_out)). Images are channels last on their way.
class ResNet final : public Classifier {
 public:
  explicit ResNet(const ResNetOptions& options);
  // batch.images (B, ...) with channels x size x size numbers a sample -> logits (B, classes).
  Tensor forward(const data::Batch& batch) override;

 private:
  void add_stage(Sequential& stage, int64_t index, int64_t blocks);

  ResNetOptions options_;
  int64_t features_;  // channels made so far
  Conv2d conv1_;
  BatchNorm2d bn1_;
  Sequential layer1_;
  Sequential layer2_;
  Sequential layer3_;
  Sequential layer4_;
  Linear fc_;
};

}  // namespace tessera::nn
