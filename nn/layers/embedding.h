// Embedding and EmbeddingBag. PyTorch's max_norm they have not: it would change the rows that one
// rank looks up, and not those of another.
#pragma once

#include <optional>

#include "autograd/ops/embedding_bag.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

struct EmbeddingOptions {
  double init_std = 1;
  // A row that starts at zero and gets no gradient; counted from the end when negative.
  std::optional<int64_t> padding_idx = std::nullopt;
  bool scale_grad_by_freq = false;  // a row's gradient is divided by how often it is looked up
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
  bool scale_grad_by_freq_;
};

struct EmbeddingBagLayerOptions {
  BagMode mode = BagMode::mean;
  double init_std = 1;
  std::optional<int64_t> padding_idx = std::nullopt;  // as Embedding's; it does not count
  bool scale_grad_by_freq = false;
  bool include_last_offset = false;
};

// Bags of rows of weight (count, width), each joined into one row: index (B, L), or (K,) with
// offsets (B,) that say where each bag begins -> (B, width). per_sample_weights, of index's shape,
// multiply the rows of sums.
class EmbeddingBag : public Callable<EmbeddingBag> {
 public:
  template <class... Rest>
  EmbeddingBag(NotThis, Rest&&...) = delete;
  EmbeddingBag(Module* parent, std::string name, int64_t count, int64_t width,
               EmbeddingBagLayerOptions options = {});
  Tensor forward(const Tensor& index, const Tensor& offsets,
                 const Tensor& per_sample_weights) const;
  Tensor operator()(const Tensor& index, const Tensor& offsets = {},
                    const Tensor& per_sample_weights = {}, CallSite site = {}) const {
    return call(*this, site, index, offsets, per_sample_weights);
  }

  Tensor weight;

 private:
  EmbeddingBagLayerOptions options_;
};

}  // namespace tessera::nn
