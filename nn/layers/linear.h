// Linear.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

// x (..., in) -> (..., out). As in PyTorch, weight (out, in) and bias (out,) start uniform in
// (-1 / sqrt(in), 1 / sqrt(in)), unless told otherwise.
class Linear : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  struct Options {
    bool bias = true;
    double init_std = 0;  // if positive: weights start normal with it, biases at zero
  };
  Linear(Module* parent, std::string name, int64_t in, int64_t out);
  Linear(Module* parent, std::string name, int64_t in, int64_t out, Options options);
  Linear(NotThis, int64_t in, int64_t out, Options options) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;
};

}  // namespace tessera::nn
