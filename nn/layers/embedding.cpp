#include "nn/layers/embedding.h"

#include "autograd/ops/embedding.h"

namespace tessera::nn {

Embedding::Embedding(Module* parent, std::string name, int64_t count, int64_t width,
                     EmbeddingOptions options)
    : OwnLayer({parent, std::move(name)}), padding_idx_(options.padding_idx) {
  Init init = Init::normal(options.init_std);
  if (padding_idx_) {
    TESSERA_CHECK(*padding_idx_ >= -count && *padding_idx_ < count,
                  "[Embedding] expected a padding_idx in [{}, {}), got {}", -count, count,
                  *padding_idx_);
    int64_t row = *padding_idx_ < 0 ? *padding_idx_ + count : *padding_idx_;
    init = std::move(init).with_zeros(row * width, (row + 1) * width);
  }
  weight = add_parameter("weight", {count, width}, std::move(init));
}

Tensor Embedding::forward(const Tensor& index) const {
  return embedding(weight, index, padding_idx_);
}

}  // namespace tessera::nn
