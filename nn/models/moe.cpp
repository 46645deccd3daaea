#include "nn/models/moe.h"

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

const MoeModelOptions& checked(const MoeModelOptions& options) {
  check_llama_options(options.llama, "moe");
  TESSERA_CHECK(options.balance >= 0, "[moe] expected a balance of at least 0, got {}",
                options.balance);
  return options;
}

}  // namespace

MoeBlock::MoeBlock(Module* parent, std::string name, const MoeModelOptions& o)
    : Callable(parent, std::move(name)),
      self_attn_(this, "self_attn", o.llama),
      mlp_(this, "mlp", o.llama.width, o.llama.hidden,
           {.experts = o.experts,
            .top_k = o.top_k,
            .normalized = o.normalized,
            .init_std = o.llama.init_std}),
      input_layernorm_(this, "input_layernorm", o.llama.width, {.eps = o.llama.norm_eps}),
      post_attention_layernorm_(this, "post_attention_layernorm", o.llama.width,
                                {.eps = o.llama.norm_eps}) {
  keep_callers_place();
  make_block();
}

MoeResult MoeBlock::forward(const Tensor& x, const LlamaPlaces& places) const {
  Tensor y = x + self_attn_(input_layernorm_(x), places);
  MoeResult out = mlp_(post_attention_layernorm_(y));
  out.output = y + out.output;
  return out;
}

MoeModel::Body::Body(Module* parent, std::string name, const MoeModelOptions& o)
    : Module(parent, std::move(name)),
      embed_tokens(this, "embed_tokens", o.llama.vocabulary, o.llama.width,
                   {.init_std = o.llama.init_std}),
      layers(this, "layers"),
      norm(this, "norm", o.llama.width, {.eps = o.llama.norm_eps}) {
  for (int64_t i = 0; i < o.llama.layers; ++i) layers.emplace_back(o);
}

MoeModel::MoeModel(const MoeModelOptions& options)
    : options_(checked(options)), model_(this, "model", options) {
  keep_callers_place();
  if (options.llama.tied) return;
  lm_head_.emplace(this, "lm_head", options.llama.width, options.llama.vocabulary,
                   Linear::Options{.bias = false, .init_std = options.llama.init_std});
  lm_head_->make_block();
}

Tensor MoeModel::hidden(const data::Batch& batch, std::vector<MoeResult>& chosen) const {
  LlamaPlaces places = llama_places(options_.llama, batch, "moe");
  Tensor x = model_.embed_tokens(batch.tokens);
  for (size_t i = 0; i < model_.layers.size(); ++i) {
    chosen.push_back(model_.layers[i](x, places));
    x = std::exchange(chosen.back().output, {});
  }
  return model_.norm(x);
}

Tensor MoeModel::forward(const data::Batch& batch) {
  std::vector<MoeResult> chosen;
  Tensor x = hidden(batch, chosen);
  return lm_head_ ? (*lm_head_)(x) : linear(x, model_.embed_tokens.weight);
}

Evaluation MoeModel::evaluation_of(const data::Batch& batch) const {
  const ModuleScope here(*this);
  const Composed scope;
  TESSERA_CHECK(batch.targets.defined(), "[moe] expected a batch with targets");
  std::vector<MoeResult> chosen;
  Tensor x = hidden(batch, chosen);
  const Tensor& embedding = model_.embed_tokens.weight;
  Loss entropy = lm_head_ ? lm_head_->loss(x, batch.targets)
                          : linear_cross_entropy_loss(x, embedding, {}, batch.targets);
  Loss loss = entropy;
  if (options_.balance != 0) {
    Tensor balance = balance_loss(chosen, batch.tokens.numel());
    loss.sum = loss.sum + to(balance, loss.sum.dtype()) * (options_.balance * loss.weight);
  }
  return {loss, {entropy}};
}

}  // namespace tessera::nn
