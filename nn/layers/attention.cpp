#include "nn/layers/attention.h"

#include "autograd/ops/attention.h"

namespace tessera::nn {

CausalSelfAttention::CausalSelfAttention(Module* parent, std::string name, int64_t width,
                                         int64_t heads, Options options)
    : OwnLayer({parent, std::move(name)}),
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

Tensor CausalSelfAttention::forward(const Tensor& x) const {
  return dropout_(c_proj(self_attention(c_attn(x), heads_, /*causal=*/true)));
}

}  // namespace tessera::nn
