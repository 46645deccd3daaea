#include "nn/layers/embedding.h"

#include "autograd/ops/embedding.h"

namespace tessera::nn {

Embedding::Embedding(Module* parent, std::string name, int64_t count, int64_t width,
                     EmbeddingOptions options)
    : OwnLayer({parent, std::move(name)}),
      weight(add_parameter("weight", {count, width}, Init::normal(options.init_std))),
      padding_idx_(options.padding_idx) {
  if (!padding_idx_) return;
  TESSERA_CHECK(*padding_idx_ >= -count && *padding_idx_ < count,
                "[Embedding] expected a padding_idx in [{}, {}), got {}", -count, count,
                *padding_idx_);
  weight.data().select(0, *padding_idx_).fill_(0);
}

Tensor Embedding::forward(const Tensor& index) const {
  return embedding(weight, index, padding_idx_);
}

}  // namespace tessera::nn
