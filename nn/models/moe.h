// A language model with a mixture of experts in each layer.
#pragma once

#include "nn/layers/moe.h"
#include "nn/models/llama.h"

namespace tessera::nn {

struct MoeModelOptions {
  LlamaOptions llama = {};  // its hidden is that of each expert
  int64_t experts = 8;
  int64_t top_k = 2;       // experts that a token meets
  bool normalized = true;  // whether the weights of those that it meets sum to 1
  double balance = 0.02;   // what keeping experts in balance counts
};

// A block of Llama's whose hidden layer is a mixture of experts.
class MoeBlock : public Callable<MoeBlock> {
 public:
  MoeBlock(Module* parent, std::string name, const MoeModelOptions& options);
  MoeResult forward(const Tensor& x, const LlamaPlaces& places) const;

 private:
  LlamaAttention self_attn_;
  Moe mlp_;
  RmsNorm input_layernorm_;
  RmsNorm post_attention_layernorm_;
};

// Mixtral (Jiang et al. 2024), with the names of Hugging Face's. The loss of a token is its
// cross-entropy plus balance times the balance_loss of its batch: where a global batch is cut into
// leaves, each leaf is to be balanced by itself, so the loss depends on that cut (not on ranks).
class MoeModel final : public LanguageModel {
 public:
  explicit MoeModel(const MoeModelOptions& options);
  // batch.tokens i64 (B, T) with T up to the context, and positions, as Llama -> logits (B, T,
  // vocabulary).
  Tensor forward(const data::Batch& batch) override;

 protected:
  Loss compute_loss(const data::Batch& batch) override { return evaluation_of(batch).loss; }
  // The perplexity is that of the cross-entropy alone.
  Evaluation compute_evaluation(const data::Batch& batch) override { return evaluation_of(batch); }

 private:
  struct Body : Module {
    Body(Module* parent, std::string name, const MoeModelOptions& options);

    Embedding embed_tokens;
    ModuleList<MoeBlock> layers;
    RmsNorm norm;
  };
  // What the output layer takes, (B, T, width), and what each layer chose.
  Tensor hidden(const data::Batch& batch, std::vector<MoeResult>& chosen) const;
  Evaluation evaluation_of(const data::Batch& batch) const;

  MoeModelOptions options_;
  Body model_;
  std::optional<OutputLayer> lm_head_;
};

}  // namespace tessera::nn
