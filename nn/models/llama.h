// Llama and its kin: decoder-only transformers with RMSNorm, rotary positions and gated layers.
#pragma once

#include <optional>

#include "nn/layers.h"
#include "nn/models/model.h"
#include "nn/models/output_layer.h"

namespace tessera::nn {

// Sizes by configuration: Llama 2 and 3, Mistral (window), Qwen 2 (qkv_bias), Qwen 3 (qk_norm).
struct LlamaOptions {
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t kv_heads = 0;  // heads of keys and values; divides heads. 0: as many
  int64_t width = 128;
  int64_t head_dim = 0;  // even. 0: width / heads
  int64_t hidden = 344;  // units of a gated layer
  int64_t context = 128;
  int64_t vocabulary = 256;
  double norm_eps = 1e-5;
  RotaryOptions rotary = {};
  bool qkv_bias = false;     // of the projections of queries, keys and values
  bool output_bias = false;  // of attention's output projection
  bool qk_norm = false;      // RMSNorm of each head's queries and keys
  int64_t window = 0;        // a token sees itself and window - 1 before it. 0: all before it
  bool tied = false;         // the output layer is the token embedding
  double init_std = 0.02;
};

// What all layers read alike.
struct LlamaPlaces {
  RotaryTable rotary;
  Tensor mask;  // (T, T), true takes part; undefined: all up to the query

  template <class F>
  void visit_tensors(F&& f) {
    rotary.visit_tensors(f);
    f(mask);
  }
};

// An Error beginning with [model] for options that do not fit each other.
void check_llama_options(const LlamaOptions& options, const char* model);
// Of a batch of tokens; an Error beginning with [model] where they, or their positions, are not as
// Llama::forward says.
LlamaPlaces llama_places(const LlamaOptions& options, const data::Batch& batch, const char* model);

class LlamaAttention : public Callable<LlamaAttention> {
 public:
  LlamaAttention(Module* parent, std::string name, const LlamaOptions& options);
  // (B, T, width) -> the same.
  Tensor forward(const Tensor& x, const LlamaPlaces& places) const;

 private:
  int64_t heads_, kv_heads_, head_dim_;
  Linear q_proj_, k_proj_, v_proj_, o_proj_;
  std::optional<RmsNorm> q_norm_, k_norm_;
};

// x + self_attn(input_layernorm(x)), then x + mlp(post_attention_layernorm(x)).
class LlamaBlock : public Callable<LlamaBlock> {
 public:
  LlamaBlock(Module* parent, std::string name, const LlamaOptions& options);
  Tensor forward(const Tensor& x, const LlamaPlaces& places) const;

 private:
  LlamaAttention self_attn_;
  SwiGlu mlp_;
  RmsNorm input_layernorm_;
  RmsNorm post_attention_layernorm_;
};

// Touvron et al. 2023, Grattafiori et al. 2024. Parameters have Hugging Face's names, "model." in
// front included; weights start normal with init_std, biases at zero.
class Llama final : public LanguageModel {
 public:
  explicit Llama(const LlamaOptions& options);
  // batch.tokens i64 (B, T) with T up to the context, at batch.positions (B, T) or 0, 1, ... ->
  // logits (B, T, vocabulary). Each token sees those before it, whatever their positions.
  Tensor forward(const data::Batch& batch) override;
  const LlamaOptions& options() const { return options_; }

 protected:
  Loss compute_loss(const data::Batch& batch) override;

 private:
  // What the output layer takes: (B, T, width).
  Tensor hidden(const data::Batch& batch);

  // All but the output layer.
  struct Body : Module {
    Body(Module* parent, std::string name, const LlamaOptions& options);

    Embedding embed_tokens;
    ModuleList<LlamaBlock> layers;
    RmsNorm norm;
  };

  LlamaOptions options_;
  Body model_;
  std::optional<OutputLayer> lm_head_;
};

}  // namespace tessera::nn
