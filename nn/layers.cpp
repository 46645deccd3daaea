#include "nn/layers.h"

#include <cmath>

#include "autograd/ops.h"

namespace tessera::nn {

Linear::Linear(Module* parent, std::string name, int64_t in, int64_t out)
    : Linear(parent, std::move(name), in, out, Options()) {}

Linear::Linear(Module* parent, std::string name, int64_t in, int64_t out, Options options)
    : Module(parent, std::move(name)) {
  TESSERA_CHECK(in >= 1 && out >= 1, "[Linear] expected at least one feature, got {} and {}", in,
                out);
  Init uniform = Init::uniform(1 / std::sqrt(static_cast<double>(in)));
  bool normal = options.init_std > 0;
  weight = add_parameter("weight", {out, in}, normal ? Init::normal(options.init_std) : uniform);
  if (options.bias) bias = add_parameter("bias", {out}, normal ? Init::constant(0) : uniform);
}

Tensor Linear::operator()(const Tensor& x) const { return linear(x, weight, bias); }

Embedding::Embedding(Module* parent, std::string name, int64_t count, int64_t width,
                     double init_std)
    : Module(parent, std::move(name)),
      weight(add_parameter("weight", {count, width}, Init::normal(init_std))) {}

Tensor Embedding::operator()(const Tensor& index) const { return embedding(weight, index); }

LayerNorm::LayerNorm(Module* parent, std::string name, int64_t width, double eps)
    : Module(parent, std::move(name)),
      weight(add_parameter("weight", {width}, Init::constant(1))),
      bias(add_parameter("bias", {width}, Init::constant(0))),
      eps_(eps) {}

Tensor LayerNorm::operator()(const Tensor& x) const {
  return layer_norm(x, weight.shape(), weight, bias, eps_);
}

Tensor Gelu::operator()(const Tensor& x) const { return gelu(x); }

Dropout::Dropout(Module* parent, std::string name, double p)
    : Module(parent, std::move(name)), p_(p) {
  TESSERA_CHECK(p >= 0 && p <= 1, "[Dropout] expected a probability in [0, 1], got {}", p);
}

Tensor Dropout::operator()(const Tensor& x) const {
  ModuleScope scope(*this);
  return dropout(x, p_, training());
}

CausalSelfAttention::CausalSelfAttention(Module* parent, std::string name, int64_t width,
                                         int64_t heads, Options options)
    : Module(parent, std::move(name)),
      c_attn(this, "c_attn", width, 3 * width, {.bias = true, .init_std = options.init_std}),
      c_proj(this, "c_proj", width, width,
             {.bias = true,
              .init_std =
                  options.residual_init_std > 0 ? options.residual_init_std : options.init_std}),
      heads_(heads),
      dropout_(this, "dropout", options.dropout) {
  TESSERA_CHECK(heads >= 1 && width % heads == 0,
                "[CausalSelfAttention] {} heads do not divide a width of {}", heads, width);
}

Tensor CausalSelfAttention::operator()(const Tensor& x) const {
  return dropout_(c_proj(self_attention(c_attn(x), heads_, /*causal=*/true)));
}

}  // namespace tessera::nn
