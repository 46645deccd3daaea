// The layers that models are built from. Each is called as a function of Tensors.
#pragma once

#include "nn/module.h"

namespace tessera::nn {

// x (..., in) -> (..., out). As in PyTorch, weight (out, in) and bias (out,) start uniform in
// (-1 / sqrt(in), 1 / sqrt(in)), unless told otherwise.
class Linear : public Module {
 public:
  struct Options {
    bool bias = true;
    double init_std = 0;  // if positive: weights start normal with it, biases at zero
  };
  Linear(Module* parent, std::string name, int64_t in, int64_t out);
  Linear(Module* parent, std::string name, int64_t in, int64_t out, Options options);
  Tensor operator()(const Tensor& x) const;

  Tensor weight;
  Tensor bias;
};

// index i64 of any shape -> (index shape, width). weight (count, width) starts normal.
class Embedding : public Module {
 public:
  Embedding(Module* parent, std::string name, int64_t count, int64_t width, double init_std = 1.0);
  Tensor operator()(const Tensor& index) const;

  Tensor weight;
};

// Over the last dim; weight starts at 1, bias at 0.
class LayerNorm : public Module {
 public:
  LayerNorm(Module* parent, std::string name, int64_t width, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const;

  Tensor weight;
  Tensor bias;

 private:
  double eps_;
};

// x P(X <= x), exactly.
class Gelu : public Module {
 public:
  Gelu(Module* parent, std::string name) : Module(parent, std::move(name)) {}
  Tensor operator()(const Tensor& x) const;
};

// Active in training mode only.
class Dropout : public Module {
 public:
  Dropout(Module* parent, std::string name, double p);
  Tensor operator()(const Tensor& x) const;

 private:
  double p_;
};

// Causal multi-head self-attention with its input and output projections: (B, T, width) -> the
// same.
class CausalSelfAttention : public Module {
 public:
  struct Options {
    double dropout = 0;            // on the result
    double init_std = 0;           // of both projections, as Linear's
    double residual_init_std = 0;  // of the output projection, if positive
  };
  // heads divides width.
  CausalSelfAttention(Module* parent, std::string name, int64_t width, int64_t heads,
                      Options options);
  Tensor operator()(const Tensor& x) const;

  Linear c_attn;
  Linear c_proj;

 private:
  int64_t heads_;
  Dropout dropout_;
};

}  // namespace tessera::nn
