#include "nn/layers/gated.h"

#include "autograd/ops/elementwise.h"

namespace tessera::nn {
namespace {

Tensor silu_of(const Tensor& x) { return silu(x); }
Tensor gelu_of(const Tensor& x) { return gelu(x); }

}  // namespace

GatedMlp::GatedMlp(Module* parent, std::string name, int64_t width, int64_t hidden, Options options,
                   Tensor (*activation)(const Tensor&))
    : OwnLayer({parent, std::move(name)}),
      gate_proj(this, "gate_proj", width, hidden,
                {.bias = options.bias, .init_std = options.init_std}),
      up_proj(this, "up_proj", width, hidden, {.bias = options.bias, .init_std = options.init_std}),
      down_proj(this, "down_proj", hidden, width,
                {.bias = options.bias, .init_std = options.init_std}),
      activation_(activation) {}

Tensor GatedMlp::forward(const Tensor& x) const {
  return down_proj(activation_(gate_proj(x)) * up_proj(x));
}

SwiGlu::SwiGlu(Module* parent, std::string name, int64_t width, int64_t hidden, Options options)
    : GatedMlp(parent, std::move(name), width, hidden, options, silu_of) {}

GeGlu::GeGlu(Module* parent, std::string name, int64_t width, int64_t hidden, Options options)
    : GatedMlp(parent, std::move(name), width, hidden, options, gelu_of) {}

}  // namespace tessera::nn
