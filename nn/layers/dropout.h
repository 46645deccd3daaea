// Dropout: the functions in autograd/ops/random.h and dropout.h as layers, active in training mode
// only. p lies in [0, 1].
#pragma once

#include "autograd/ops/dropout.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

class Dropout : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Dropout(Module* parent, std::string name, double p = 0.5);
  Tensor forward(const Tensor& x) const override;

 private:
  double p_;
};

// The function of its name.
template <Tensor (*kFunction)(TensorArg, double, bool)>
class DropoutOf : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  // kFunction checks p too, but when it is called.
  DropoutOf(Module* parent, std::string name, double p = 0.5)
      : OwnLayer({parent, std::move(name)}), p_(p) {
    TESSERA_CHECK(p >= 0 && p <= 1, "[Dropout] expected a probability in [0, 1], got {}", p);
  }
  Tensor forward(const Tensor& x) const override { return kFunction(x, p_, training()); }

 private:
  double p_;
};

// Of whole channels: x (N, C, L), (N, C, H, W), (N, C, D, H, W).
struct Dropout1d : DropoutOf<dropout1d> {
  using DropoutOf::DropoutOf;
};
struct Dropout2d : DropoutOf<dropout2d> {
  using DropoutOf::DropoutOf;
};
struct Dropout3d : DropoutOf<dropout3d> {
  using DropoutOf::DropoutOf;
};
// For networks of Selu, element by element and of whole channels.
struct AlphaDropout : DropoutOf<alpha_dropout> {
  using DropoutOf::DropoutOf;
};
struct FeatureAlphaDropout : DropoutOf<feature_alpha_dropout> {
  using DropoutOf::DropoutOf;
};

}  // namespace tessera::nn
