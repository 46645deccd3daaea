// Embedding.
#pragma once

#include <optional>

#include "nn/layers/layer.h"

namespace tessera::nn {

struct EmbeddingOptions {
  double init_std = 1;
  // A row that starts at zero and gets no gradient; counted from the end when negative.
  std::optional<int64_t> padding_idx = std::nullopt;
};

// index i64 or i32 of any shape -> (index shape, width). weight (count, width) starts normal.
class Embedding : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Embedding(Module* parent, std::string name, int64_t count, int64_t width,
            EmbeddingOptions options = {});
  Embedding(NotThis, int64_t count, int64_t width, EmbeddingOptions options) = delete;
  Tensor forward(const Tensor& index) const override;

  Tensor weight;

 private:
  std::optional<int64_t> padding_idx_;
};

}  // namespace tessera::nn
