// U-Net: a convolutional network from images to images.
#pragma once

#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

struct UnetOptions {
  int64_t channels = 1;  // of an image
  int64_t size = 28;     // rows, and columns; a multiple of 2^levels
  int64_t width = 32;    // channels at full size; each level below has twice as many
  int64_t levels = 2;    // how often sizes are halved
  int64_t classes = 0;   // of each pixel; 0: the images themselves come out
  double noise = 0.5;    // without classes: deviation of what training adds to images
};

// Two convolutions of 3 x 3, each with a norm and ReLU: (N, in, H, W) -> (N, out, H, W).
class UnetBlock : public OwnLayer {
 public:
  UnetBlock(Module* parent, std::string name, int64_t in, int64_t out);
  Tensor forward(const Tensor& x) const override;

 private:
  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
};

// A transposed convolution of 2 x 2 to half the channels and twice the size, put beside what came
// by at that size, and a block: x (N, in, H, W), skipped (N, in / 2, 2 H, 2 W) -> (N, in / 2, ...).
class UnetUp : public Callable<UnetUp> {
 public:
  UnetUp(Module* parent, std::string name, int64_t in);
  Tensor forward(const Tensor& x, const Tensor& skipped) const;

 private:
  ConvTranspose2d up_;
  UnetBlock merge_;
};

// Ronneberger et al. 2015 with padding and batch norm: `down` blocks, each followed by the largest
// of every 2 x 2, a `middle` one, and back by `up`; `head` is a convolution of 1 x 1.
//
// With classes it learns the classes of pixels, and the loss is their cross-entropy, a mean over
// pixels; its metrics are class_metrics of pixels. Without, it learns to take noise away: the loss
// of a sample is the mean square of what is left between it and what comes back of it with normal
// noise added, and its metric psnr is that in decibels below the square of 1, which pixels reach.
class Unet final : public Model {
 public:
  explicit Unet(const UnetOptions& options);
  // batch.images (B, ...) with channels x size x size numbers a sample -> logits (B, size, size,
  // classes), or images (B, channels, size, size). Targets of classes are i64 (B, size, size).
  Tensor forward(const data::Batch& batch) override;
  std::vector<MetricInfo> metrics() const override;

 protected:
  Loss compute_loss(const data::Batch& batch) override;
  Evaluation compute_evaluation(const data::Batch& batch) override;

 private:
  Tensor run(const Tensor& images) const;
  Tensor images_in(const data::Batch& batch) const;
  // With classes: what they are taken for.
  Tensor logits_of(const data::Batch& batch) const;

  UnetOptions options_;
  ModuleList<UnetBlock> down_;
  UnetBlock middle_;
  ModuleList<UnetUp> up_;
  Conv2d head_;
};

}  // namespace tessera::nn
