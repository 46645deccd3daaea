// A small convolutional network for images.
#pragma once

#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

struct CnnOptions {
  int64_t channels = 1;  // of an image
  int64_t size = 28;     // rows, and columns; at least 4
  int64_t width = 32;    // channels of the first convolution; the second has twice as many
  int64_t hidden = 128;
  int64_t classes = 10;
};

// Two convolutions of 3 x 3 with ReLU, each followed by the largest of every 2 x 2, and two linear
// layers, as LeNet-5 is built (LeCun et al. 1998).
class Cnn final : public Classifier {
 public:
  explicit Cnn(const CnnOptions& options);
  // batch.images (B, ...) with channels x size x size numbers a sample -> logits (B, classes).
  Tensor forward(const data::Batch& batch) override;

 private:
  CnnOptions options_;
  Conv2d conv1_;
  Conv2d conv2_;
  MaxPool2d pool_;
  Linear fc1_;
  Linear fc2_;
};

}  // namespace tessera::nn
