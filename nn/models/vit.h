// ViT: a transformer for images.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/words.h"
#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

enum class ViTPool {
  token,  // a token of its own, which is learned, beside those of the patches
  mean,   // of all patches
};
constexpr auto words_of(ViTPool) {
  return std::array{Word{ViTPool::token, "token"}, Word{ViTPool::mean, "mean"}};
}

struct ViTOptions {
  int64_t channels = 1;  // of an image
  int64_t size = 28;     // rows, and columns
  int64_t patch = 4;     // rows, and columns, of a patch; divides size
  int64_t width = 64;
  int64_t depth = 6;
  int64_t heads = 4;
  double mlp_ratio = 4;  // units of a hidden layer, in widths
  int64_t classes = 10;
  ViTPool pool = ViTPool::token;  // what of the last layer is classified
  double dropout = 0;
  double attention_dropout = 0;
};

// x + attention(ln_1(x)), then x + mlp(ln_2(x)).
class ViTBlock : public OwnLayer {
 public:
  ViTBlock(Module* parent, std::string name, const ViTOptions& options);
  Tensor forward(const Tensor& x) const override;

 private:
  LayerNorm ln_1_;
  MultiheadAttention self_attention_;
  Dropout dropout_;
  LayerNorm ln_2_;
  Sequential mlp_;
};

// Learned positions, the blocks and a last norm: (B, tokens, width) -> the same.
class ViTEncoder : public OwnLayer {
 public:
  ViTEncoder(Module* parent, std::string name, int64_t tokens, const ViTOptions& options);
  Tensor forward(const Tensor& x) const override;

 private:
  Tensor pos_embedding_;
  Dropout dropout_;
  Module layers_;
  std::vector<std::unique_ptr<ViTBlock>> blocks_;
  LayerNorm ln_;
};

// Dosovitskiy et al. 2021, as torchvision has it: its names and first values (the head starts at
// zero).
class ViT final : public Classifier {
 public:
  explicit ViT(const ViTOptions& options);
  // batch.images (B, ...) with channels x size x size numbers a sample -> logits (B, classes).
  Tensor forward(const data::Batch& batch) override;

 private:
  ViTOptions options_;
  Tensor class_token_;
  Conv2d conv_proj_;
  ViTEncoder encoder_;
  Module heads_;
  Linear head_;
};

}  // namespace tessera::nn
