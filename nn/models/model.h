// A module that can be trained by itself.
#pragma once

#include "nn/data/dataset.h"
#include "nn/loss.h"
#include "nn/module.h"

namespace tessera::nn {

class Model : public Module {
 public:
  // The outputs for inputs of the kind that the model's data have: logits.
  virtual Tensor forward(const Tensor& inputs) = 0;
  // What training minimizes: cross-entropy of forward(inputs) against targets unless overridden.
  virtual Loss loss(const data::Batch& batch) {
    return cross_entropy_loss(forward(batch.inputs), batch.targets);
  }
};

}  // namespace tessera::nn
