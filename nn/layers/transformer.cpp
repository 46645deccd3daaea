#include "nn/layers/transformer.h"

#include "autograd/ops/elementwise.h"

namespace tessera::nn {
namespace {

MultiheadAttention::Options attention_options(const TransformerOptions& o) {
  return {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first};
}

LayerNormOptions norm_options(const TransformerOptions& o) {
  return {.eps = o.layer_norm_eps, .bias = o.bias};
}

Tensor activated(const Tensor& x, TransformerActivation activation) {
  return activation == TransformerActivation::relu ? relu(x) : gelu(x);
}

// x + part(norm(x)), or norm(x + part(x)).
template <class Part>
Tensor residual(const Tensor& x, const LayerNorm& norm, bool norm_first, const Part& part) {
  return norm_first ? x + part(norm(x)) : norm(x + part(x));
}

}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(Module* parent, std::string name,
                                                 const TransformerOptions& o)
    : Callable(parent, std::move(name)),
      options_(o),
      self_attn_(this, "self_attn", o.width, o.heads, attention_options(o)),
      linear1_(this, "linear1", o.width, o.feedforward, {.bias = o.bias}),
      dropout_(this, "dropout", o.dropout),
      linear2_(this, "linear2", o.feedforward, o.width, {.bias = o.bias}),
      norm1_(this, "norm1", o.width, norm_options(o)),
      norm2_(this, "norm2", o.width, norm_options(o)),
      dropout1_(this, "dropout1", o.dropout),
      dropout2_(this, "dropout2", o.dropout) {
  keep_callers_place();
}

Tensor TransformerEncoderLayer::feedforward(const Tensor& x) const {
  return dropout2_(linear2_(dropout_(activated(linear1_(x), options_.activation))));
}

Tensor TransformerEncoderLayer::forward(const Tensor& src, const AttentionMasks& masks) const {
  bool first = options_.norm_first;
  Tensor x = residual(src, norm1_, first,
                      [&](const Tensor& y) { return dropout1_(self_attn_(y, y, y, masks)); });
  return residual(x, norm2_, first, [&](const Tensor& y) { return feedforward(y); });
}

TransformerEncoder::TransformerEncoder(Module* parent, std::string name, int64_t num_layers,
                                       const TransformerOptions& options, bool final_norm)
    : Callable(parent, std::move(name)), layers_(this, "layers") {
  TESSERA_CHECK(num_layers >= 1, "[TransformerEncoder] expected at least one layer, got {}",
                num_layers);
  keep_callers_place();
  for (int64_t i = 0; i < num_layers; ++i) layers_.emplace_back(options).make_block();
  if (final_norm) norm_.emplace(this, "norm", options.width, norm_options(options));
}

Tensor TransformerEncoder::forward(const Tensor& src, const AttentionMasks& masks) const {
  Tensor x = src;
  for (size_t i = 0; i < layers_.size(); ++i) x = layers_[i](x, masks);
  return norm_ ? (*norm_)(x) : x;
}

TransformerDecoderLayer::TransformerDecoderLayer(Module* parent, std::string name,
                                                 const TransformerOptions& o)
    : Callable(parent, std::move(name)),
      options_(o),
      self_attn_(this, "self_attn", o.width, o.heads, attention_options(o)),
      multihead_attn_(this, "multihead_attn", o.width, o.heads, attention_options(o)),
      linear1_(this, "linear1", o.width, o.feedforward, {.bias = o.bias}),
      dropout_(this, "dropout", o.dropout),
      linear2_(this, "linear2", o.feedforward, o.width, {.bias = o.bias}),
      norm1_(this, "norm1", o.width, norm_options(o)),
      norm2_(this, "norm2", o.width, norm_options(o)),
      norm3_(this, "norm3", o.width, norm_options(o)),
      dropout1_(this, "dropout1", o.dropout),
      dropout2_(this, "dropout2", o.dropout),
      dropout3_(this, "dropout3", o.dropout) {
  keep_callers_place();
}

Tensor TransformerDecoderLayer::feedforward(const Tensor& x) const {
  return dropout3_(linear2_(dropout_(activated(linear1_(x), options_.activation))));
}

Tensor TransformerDecoderLayer::forward(const Tensor& tgt, const Tensor& memory,
                                        const AttentionMasks& tgt_masks,
                                        const AttentionMasks& memory_masks) const {
  bool first = options_.norm_first;
  Tensor x = residual(tgt, norm1_, first,
                      [&](const Tensor& y) { return dropout1_(self_attn_(y, y, y, tgt_masks)); });
  x = residual(x, norm2_, first, [&](const Tensor& y) {
    return dropout2_(multihead_attn_(y, memory, memory, memory_masks));
  });
  return residual(x, norm3_, first, [&](const Tensor& y) { return feedforward(y); });
}

TransformerDecoder::TransformerDecoder(Module* parent, std::string name, int64_t num_layers,
                                       const TransformerOptions& options, bool final_norm)
    : Callable(parent, std::move(name)), layers_(this, "layers") {
  TESSERA_CHECK(num_layers >= 1, "[TransformerDecoder] expected at least one layer, got {}",
                num_layers);
  keep_callers_place();
  for (int64_t i = 0; i < num_layers; ++i) layers_.emplace_back(options).make_block();
  if (final_norm) norm_.emplace(this, "norm", options.width, norm_options(options));
}

Tensor TransformerDecoder::forward(const Tensor& tgt, const Tensor& memory,
                                   const AttentionMasks& tgt_masks,
                                   const AttentionMasks& memory_masks) const {
  Tensor x = tgt;
  for (size_t i = 0; i < layers_.size(); ++i) x = layers_[i](x, memory, tgt_masks, memory_masks);
  return norm_ ? (*norm_)(x) : x;
}

Transformer::Transformer(Module* parent, std::string name, int64_t encoder_layers,
                         int64_t decoder_layers, const TransformerOptions& options)
    : Callable(parent, std::move(name)),
      options_(options),
      encoder_(this, "encoder", encoder_layers, options, true),
      decoder_(this, "decoder", decoder_layers, options, true) {
  keep_callers_place();
  for (const Tensor& parameter : parameters()) {
    if (parameter.dim() < 2) continue;
    set_initial_values(parameter, Init::xavier_uniform(parameter.shape()));
  }
}

Tensor Transformer::forward(const Tensor& src, const Tensor& tgt, const AttentionMasks& src_masks,
                            const AttentionMasks& tgt_masks,
                            const AttentionMasks& memory_masks) const {
  bool fit = (src.dim() == 2 || src.dim() == 3) && src.dim() == tgt.dim() &&
             src.size(-1) == options_.width && tgt.size(-1) == options_.width;
  int64_t batch = options_.batch_first ? 0 : 1;
  TESSERA_CHECK(fit && (src.dim() == 2 || src.size(batch) == tgt.size(batch)),
                "[Transformer] expected sources and targets of one batch and {} features, got {} "
                "and {}",
                options_.width, src.shape(), tgt.shape());
  return decoder_(tgt, encoder_(src, src_masks), tgt_masks, memory_masks);
}

}  // namespace tessera::nn
