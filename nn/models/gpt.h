// GPT: a decoder-only transformer.
#pragma once

#include "autograd/ops/activation.h"
#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

struct GptOptions {
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t width = 128;
  int64_t context = 128;
  int64_t vocabulary = 256;
  double dropout = 0;
  tessera::Gelu activation = tessera::Gelu::exact;
};

// x + attn(ln1(x)), then x + mlp(ln2(x)) with a hidden layer of 4 widths.
class GptBlock : public OwnLayer {
 public:
  GptBlock(Module* parent, std::string name, const GptOptions& options);
  Tensor forward(const Tensor& x) const override;

 private:
  LayerNorm ln1_;
  CausalSelfAttention attn_;
  LayerNorm ln2_;
  Linear c_fc_;
  Linear c_proj_;
  Dropout dropout_;
  tessera::Gelu activation_;
};

// Pre-norm, learned positions, the output layer tied to the token embedding (Radford et al. 2019).
// Weights start normal with 0.02, those of residual projections with 0.02 / sqrt(2 layers).
class Gpt final : public LanguageModel {
 public:
  explicit Gpt(const GptOptions& options);
  // batch.tokens i64 (B, T) with T up to the context -> logits (B, T, vocabulary).
  Tensor forward(const data::Batch& batch) override;
  const GptOptions& options() const { return options_; }

 protected:
  Loss compute_loss(const data::Batch& batch) override;

 private:
  // What the output layer takes: (B, T, width).
  Tensor hidden(const data::Batch& batch);

  GptOptions options_;
  Embedding wte_;
  Embedding wpe_;
  Dropout dropout_;
  ModuleList<GptBlock> blocks_;
  LayerNorm ln_f_;
};

}  // namespace tessera::nn
