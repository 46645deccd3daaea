// RRelu.
#pragma once

#include "autograd/ops/rrelu.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

// The function of its name; slopes are drawn in training mode only.
class RRelu : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  RRelu(Module* parent, std::string name, double lower = 1.0 / 8, double upper = 1.0 / 3)
      : OwnLayer({parent, std::move(name)}), lower_(lower), upper_(upper) {}
  Tensor forward(const Tensor& x) const override { return rrelu(x, lower_, upper_, training()); }

 private:
  double lower_, upper_;
};

}  // namespace tessera::nn
