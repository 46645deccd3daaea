#include "nn/layers/embedding.h"

#include "autograd/ops/embedding.h"

namespace tessera::nn {
namespace {

// Normal but for the padding row, which is zeros.
Init table_init(const char* layer, double std, int64_t count, int64_t width,
                std::optional<int64_t> padding_idx) {
  Init init = Init::normal(std);
  if (!padding_idx) return init;
  TESSERA_CHECK(*padding_idx >= -count && *padding_idx < count,
                "[{}] expected a padding_idx in [{}, {}), got {}", layer, -count, count,
                *padding_idx);
  int64_t row = *padding_idx < 0 ? *padding_idx + count : *padding_idx;
  return std::move(init).with_zeros(row * width, (row + 1) * width);
}

}  // namespace

Embedding::Embedding(Module* parent, std::string name, int64_t count, int64_t width,
                     EmbeddingOptions options)
    : OwnLayer({parent, std::move(name)}),
      padding_idx_(options.padding_idx),
      scale_grad_by_freq_(options.scale_grad_by_freq) {
  weight = add_parameter("weight", {count, width},
                         table_init("Embedding", options.init_std, count, width, padding_idx_));
}

Tensor Embedding::forward(const Tensor& index) const {
  return embedding(weight, index, padding_idx_, std::nullopt, 2, scale_grad_by_freq_);
}

EmbeddingBag::EmbeddingBag(Module* parent, std::string name, int64_t count, int64_t width,
                           EmbeddingBagLayerOptions options)
    : Callable(parent, std::move(name)), options_(options) {
  keep_callers_place();
  weight = add_parameter(
      "weight", {count, width},
      table_init("EmbeddingBag", options.init_std, count, width, options.padding_idx));
}

Tensor EmbeddingBag::forward(const Tensor& index, const Tensor& offsets,
                             const Tensor& per_sample_weights) const {
  EmbeddingBagOptions how{.mode = options_.mode,
                          .per_sample_weights = per_sample_weights,
                          .padding_idx = options_.padding_idx,
                          .scale_grad_by_freq = options_.scale_grad_by_freq,
                          .include_last_offset = options_.include_last_offset};
  return offsets.defined() ? embedding_bag(weight, index, offsets, how)
                           : embedding_bag(weight, index, how);
}

}  // namespace tessera::nn
