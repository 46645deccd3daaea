// A multilayer perceptron for images.
#pragma once

#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

struct MlpOptions {
  int64_t inputs = 784;
  int64_t hidden1 = 256;
  int64_t hidden2 = 128;
  int64_t classes = 10;
};

// Two hidden layers with ReLU.
class Mlp final : public Classifier {
 public:
  explicit Mlp(const MlpOptions& options);
  // batch.images (B, ...) with `inputs` numbers a sample -> logits (B, classes).
  Tensor forward(const data::Batch& batch) override;

 private:
  MlpOptions options_;
  Linear fc1_;
  Linear fc2_;
  Linear fc3_;
};

}  // namespace tessera::nn
