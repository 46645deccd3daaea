// CausalSelfAttention.
#pragma once

#include "nn/layers/dropout.h"
#include "nn/layers/linear.h"

namespace tessera::nn {

// Causal multi-head self-attention with its input and output projections: (B, T, width) -> the
// same.
class CausalSelfAttention : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  struct Options {
    double dropout = 0;            // on the result
    double init_std = 0;           // of both projections, as Linear's
    double residual_init_std = 0;  // of the output projection, if positive
  };
  // heads divides width.
  CausalSelfAttention(Module* parent, std::string name, int64_t width, int64_t heads,
                      Options options);
  CausalSelfAttention(NotThis, int64_t width, int64_t heads, Options options) = delete;
  Tensor forward(const Tensor& x) const override;

  Linear c_attn;
  Linear c_proj;

 private:
  int64_t heads_;
  Dropout dropout_;
};

}  // namespace tessera::nn
