// Gated hidden layers: SwiGlu, GeGlu (Shazeer 2020).
#pragma once

#include "nn/layers/linear.h"

namespace tessera::nn {

// down_proj(f(gate_proj(x)) * up_proj(x)): (..., width) -> (..., hidden) -> (..., width), with the
// names of Llama's.
class GatedMlp : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  struct Options {
    bool bias = false;
    double init_std = 0;  // as Linear's
  };
  Tensor forward(const Tensor& x) const override;

  Linear gate_proj;
  Linear up_proj;
  Linear down_proj;

 protected:
  GatedMlp(Module* parent, std::string name, int64_t width, int64_t hidden, Options options,
           Tensor (*activation)(const Tensor&));

 private:
  Tensor (*activation_)(const Tensor&);
};

// f is silu.
class SwiGlu : public GatedMlp {
 public:
  using GatedMlp::GatedMlp;
  SwiGlu(Module* parent, std::string name, int64_t width, int64_t hidden, Options options);
  SwiGlu(NotThis, int64_t width, int64_t hidden, Options options) = delete;
};

// f is gelu, the exact one.
class GeGlu : public GatedMlp {
 public:
  using GatedMlp::GatedMlp;
  GeGlu(Module* parent, std::string name, int64_t width, int64_t hidden, Options options);
  GeGlu(NotThis, int64_t width, int64_t hidden, Options options) = delete;
};

}  // namespace tessera::nn
