// LeNet-5: a small convolutional network for images.
#pragma once

#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

struct LeNetOptions {
  int64_t channels = 1;  // of an image
  int64_t size = 28;     // rows, and columns; at least 12
  int64_t classes = 10;
};

// LeCun et al. 1998 as it is written today: convolutions of 5 x 5 with 6 and 16 channels, ReLU, and
// the largest of every 2 x 2; then linear layers of 120, 84 and `classes`. The first convolution
// pads by 2, so that 28 x 28 is what 32 x 32 was.
class LeNet final : public Classifier {
 public:
  explicit LeNet(const LeNetOptions& options);
  // batch.images (B, ...) with channels x size x size numbers a sample -> logits (B, classes).
  Tensor forward(const data::Batch& batch) override;

 private:
  LeNetOptions options_;
  Conv2d conv1_;
  Conv2d conv2_;
  MaxPool2d pool_;
  Linear fc1_;
  Linear fc2_;
  Linear fc3_;
};

}  // namespace tessera::nn
