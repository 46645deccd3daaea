#include "nn/models/llama.h"

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

int64_t kv_heads_of(const LlamaOptions& o) { return o.kv_heads == 0 ? o.heads : o.kv_heads; }
int64_t head_dim_of(const LlamaOptions& o) {
  return o.head_dim == 0 ? o.width / o.heads : o.head_dim;
}

const LlamaOptions& checked(const LlamaOptions& options) {
  check_llama_options(options, "llama");
  return options;
}

Linear::Options linear_options(const LlamaOptions& o, bool bias) {
  return {.bias = bias, .init_std = o.init_std};
}

// (B, T, heads * head_dim) -> (B, heads, T, head_dim)
Tensor by_head(const Tensor& x, int64_t heads, int64_t head_dim) {
  return transpose(reshape(x, {x.size(0), x.size(1), heads, head_dim}), 1, 2);
}

// (T, T): whether a query sees a key that is less than `window` before it.
Tensor window_mask(int64_t time, int64_t window, Device device) {
  Array all = Array::full({time, time}, 1, DType::boolean);
  return Tensor(arrays::triu(arrays::tril(all), 1 - window).to(device));
}

}  // namespace

void check_llama_options(const LlamaOptions& o, const char* model) {
  TESSERA_CHECK(o.layers >= 1 && o.heads >= 1 && o.width >= 1 && o.hidden >= 1 && o.context >= 1 &&
                    o.vocabulary >= 1,
                "[{}] layers, heads, width, hidden, context and vocabulary must be at least 1",
                model);
  TESSERA_CHECK(o.kv_heads >= 0 && o.heads % kv_heads_of(o) == 0,
                "[{}] {} heads of keys do not divide {} heads", model, o.kv_heads, o.heads);
  TESSERA_CHECK(o.head_dim > 0 || (o.head_dim == 0 && o.width % o.heads == 0),
                "[{}] {} heads do not divide a width of {}, and there is no head_dim", model,
                o.heads, o.width);
  TESSERA_CHECK(o.window >= 0, "[{}] expected a window of at least 0, got {}", model, o.window);
  rotary_frequencies(head_dim_of(o), o.rotary);
}

LlamaPlaces llama_places(const LlamaOptions& o, const data::Batch& batch, const char* model) {
  const Tensor& tokens = batch.tokens;
  TESSERA_CHECK(tokens.defined(), "[{}] expected a batch with tokens", model);
  TESSERA_CHECK(tokens.dim() == 2 && tokens.size(1) <= o.context,
                "[{}] expected tokens (B, T) with T up to {}, got {}", model, o.context,
                tokens.shape());
  int64_t time = tokens.size(1);
  Tensor positions = batch.positions;
  if (positions.defined()) {
    TESSERA_CHECK(positions.shape() == tokens.shape(),
                  "[{}] expected positions of the tokens' shape {}, got {}", model, tokens.shape(),
                  positions.shape());
    positions = unsqueeze(positions, 1);  // the same for every head
  } else {
    positions = Tensor(arange(time).data().to(tokens.device()));
  }
  LlamaPlaces places{rotary_table(positions, head_dim_of(o), o.rotary), {}};
  if (o.window > 0 && o.window < time) places.mask = window_mask(time, o.window, tokens.device());
  return places;
}

LlamaAttention::LlamaAttention(Module* parent, std::string name, const LlamaOptions& o)
    : Callable(parent, std::move(name)),
      heads_(o.heads),
      kv_heads_(kv_heads_of(o)),
      head_dim_(head_dim_of(o)),
      q_proj_(this, "q_proj", o.width, heads_ * head_dim_, linear_options(o, o.qkv_bias)),
      k_proj_(this, "k_proj", o.width, kv_heads_ * head_dim_, linear_options(o, o.qkv_bias)),
      v_proj_(this, "v_proj", o.width, kv_heads_ * head_dim_, linear_options(o, o.qkv_bias)),
      o_proj_(this, "o_proj", heads_ * head_dim_, o.width, linear_options(o, o.output_bias)) {
  keep_callers_place();
  if (!o.qk_norm) return;
  q_norm_.emplace(this, "q_norm", head_dim_, RmsNormOptions{.eps = o.norm_eps});
  k_norm_.emplace(this, "k_norm", head_dim_, RmsNormOptions{.eps = o.norm_eps});
}

Tensor LlamaAttention::forward(const Tensor& x, const LlamaPlaces& places) const {
  Tensor q = by_head(q_proj_(x), heads_, head_dim_);
  Tensor k = by_head(k_proj_(x), kv_heads_, head_dim_);
  Tensor v = by_head(v_proj_(x), kv_heads_, head_dim_);
  if (q_norm_) {
    q = (*q_norm_)(q);
    k = (*k_norm_)(k);
  }
  Tensor y = scaled_dot_product_attention(rotate(q, places.rotary), rotate(k, places.rotary), v,
                                          places.mask, /*dropout_p=*/0, !places.mask.defined(), {},
                                          /*enable_gqa=*/true);
  return o_proj_(reshape(transpose(y, 1, 2), {x.size(0), x.size(1), heads_ * head_dim_}));
}

LlamaBlock::LlamaBlock(Module* parent, std::string name, const LlamaOptions& o)
    : Callable(parent, std::move(name)),
      self_attn_(this, "self_attn", o),
      mlp_(this, "mlp", o.width, o.hidden, {.init_std = o.init_std}),
      input_layernorm_(this, "input_layernorm", o.width, {.eps = o.norm_eps}),
      post_attention_layernorm_(this, "post_attention_layernorm", o.width, {.eps = o.norm_eps}) {
  keep_callers_place();
  make_block();
}

Tensor LlamaBlock::forward(const Tensor& x, const LlamaPlaces& places) const {
  Tensor y = x + self_attn_(input_layernorm_(x), places);
  return y + mlp_(post_attention_layernorm_(y));
}

Llama::Body::Body(Module* parent, std::string name, const LlamaOptions& o)
    : Module(parent, std::move(name)),
      embed_tokens(this, "embed_tokens", o.vocabulary, o.width, {.init_std = o.init_std}),
      layers(this, "layers"),
      norm(this, "norm", o.width, {.eps = o.norm_eps}) {
  for (int64_t i = 0; i < o.layers; ++i) layers.emplace_back(o);
}

Llama::Llama(const LlamaOptions& options)
    : options_(checked(options)), model_(this, "model", options) {
  keep_callers_place();
  if (!options.tied) {
    lm_head_.emplace(this, "lm_head", options.width, options.vocabulary,
                     linear_options(options, false));
    lm_head_->make_block();
  }
}

Tensor Llama::hidden(const data::Batch& batch) {
  LlamaPlaces places = llama_places(options_, batch, "llama");
  Tensor x = model_.embed_tokens(batch.tokens);
  for (size_t i = 0; i < model_.layers.size(); ++i) x = model_.layers[i](x, places);
  return model_.norm(x);
}

Tensor Llama::forward(const data::Batch& batch) {
  Tensor x = hidden(batch);
  return lm_head_ ? (*lm_head_)(x) : linear(x, model_.embed_tokens.weight);
}

Loss Llama::compute_loss(const data::Batch& batch) {
  const Tensor& targets = batch.targets;
  if (hooks() || !targets.defined() || !makes_many_logits(targets.numel(), options_.vocabulary)) {
    return Model::compute_loss(batch);
  }
  const CallScope here(*this, call_place.site);
  Tensor x = hidden(batch);
  if (lm_head_) return lm_head_->loss(x, targets);
  return linear_cross_entropy_loss(x, model_.embed_tokens.weight, {}, targets);
}

}  // namespace tessera::nn
