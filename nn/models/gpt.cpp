#include "nn/models/gpt.h"

#include <cmath>

#include "autograd/ops.h"
#include "nn/models/output_layer.h"

namespace tessera::nn {
namespace {

constexpr double kInitStd = 0.02;

double residual_std(const GptOptions& options) {
  return kInitStd / std::sqrt(2.0 * static_cast<double>(options.layers));
}

const GptOptions& checked(const GptOptions& o) {
  TESSERA_CHECK(
      o.layers >= 1 && o.heads >= 1 && o.width >= 1 && o.context >= 1 && o.vocabulary >= 1,
      "[gpt] layers, heads, width, context and vocabulary must be at least 1");
  TESSERA_CHECK(o.width % o.heads == 0, "[gpt] {} heads do not divide a width of {}", o.heads,
                o.width);
  return o;
}

}  // namespace

GptBlock::GptBlock(Module* parent, std::string name, const GptOptions& options)
    : OwnLayer({parent, std::move(name)}),
      ln1_(this, "ln1", options.width),
      attn_(this, "attn", options.width, options.heads,
            {.dropout = options.dropout,
             .init_std = kInitStd,
             .residual_init_std = residual_std(options)}),
      ln2_(this, "ln2", options.width),
      c_fc_(this, "c_fc", options.width, 4 * options.width, {.bias = true, .init_std = kInitStd}),
      c_proj_(this, "c_proj", 4 * options.width, options.width,
              {.bias = true, .init_std = residual_std(options)}),
      dropout_(this, "dropout", options.dropout),
      activation_(options.activation) {
  make_block();
}

Tensor GptBlock::forward(const Tensor& x) const {
  Tensor y = x + attn_(ln1_(x));
  return y + dropout_(c_proj_(gelu(c_fc_(ln2_(y)), activation_)));
}

Gpt::Gpt(const GptOptions& options)
    : options_(checked(options)),
      wte_(this, "wte", options.vocabulary, options.width, {.init_std = kInitStd}),
      wpe_(this, "wpe", options.context, options.width, {.init_std = kInitStd}),
      dropout_(this, "dropout", options.dropout),
      blocks_(this, "blocks"),
      ln_f_(this, "ln_f", options.width) {
  keep_callers_place();
  for (int64_t i = 0; i < options.layers; ++i) blocks_.emplace_back(options);
}

Tensor Gpt::hidden(const data::Batch& batch) {
  const Tensor& tokens = batch.tokens;
  TESSERA_CHECK(tokens.defined(), "[gpt] expected a batch with tokens");
  TESSERA_CHECK(tokens.dim() == 2 && tokens.size(1) <= options_.context,
                "[gpt] expected tokens (B, T) with T up to {}, got {}", options_.context,
                tokens.shape());
  Tensor x = wte_(tokens) + slice(wpe_.weight, 0, 0, tokens.size(1));
  x = dropout_(x);
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i](x);
  return ln_f_(x);
}

Tensor Gpt::forward(const data::Batch& batch) { return linear(hidden(batch), wte_.weight); }

Loss Gpt::compute_loss(const data::Batch& batch) {
  const Tensor& targets = batch.targets;
  if (hooks() || !targets.defined() || !makes_many_logits(targets.numel(), options_.vocabulary)) {
    return Model::compute_loss(batch);
  }
  const CallScope here(*this, call_place.site);
  return linear_cross_entropy_loss(hidden(batch), wte_.weight, {}, targets);
}

}  // namespace tessera::nn
