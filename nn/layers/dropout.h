// Dropout.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

// Active in training mode only.
class Dropout : public Layer {
 public:
  Dropout(Module* parent, std::string name, double p = 0.5);
  Tensor operator()(const Tensor& x) const override;

 private:
  double p_;
};

}  // namespace tessera::nn
