// Dropout.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

// Active in training mode only.
class Dropout : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Dropout(Module* parent, std::string name, double p = 0.5);
  Tensor forward(const Tensor& x) const override;

 private:
  double p_;
};

}  // namespace tessera::nn
