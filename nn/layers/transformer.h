// The layers of torch.nn's transformer: encoders and decoders (Vaswani et al. 2017).
#pragma once

#include <array>
#include <optional>

#include "core/words.h"
#include "nn/layers/dropout.h"
#include "nn/layers/multihead_attention.h"
#include "nn/layers/normalize.h"

namespace tessera::nn {

enum class TransformerActivation { relu, gelu };
constexpr auto words_of(TransformerActivation) {
  return std::array{Word{TransformerActivation::relu, "relu"},
                    Word{TransformerActivation::gelu, "gelu"}};
}

struct TransformerOptions {
  int64_t width = 512;
  int64_t heads = 8;
  int64_t feedforward = 2048;  // units between the two linear layers
  double dropout = 0.1;
  TransformerActivation activation = TransformerActivation::relu;
  double layer_norm_eps = 1e-5;
  bool batch_first = false;  // (N, T, width) rather than (T, N, width)
  bool norm_first = false;   // norms before each part, rather than after its sum
  bool bias = true;
};

// x + self_attn(x), then x + linear2(dropout(activation(linear1(x)))): as
// torch.nn.TransformerEncoderLayer, with its names.
class TransformerEncoderLayer : public Callable<TransformerEncoderLayer> {
 public:
  using Callable::Callable;
  TransformerEncoderLayer(Module* parent, std::string name, const TransformerOptions& options);
  Tensor forward(const Tensor& src, const AttentionMasks& masks) const;
  Tensor operator()(const Tensor& src, const AttentionMasks& masks = {}, CallSite site = {}) const {
    return call(*this, site, src, masks);
  }

 private:
  Tensor feedforward(const Tensor& x) const;

  TransformerOptions options_;
  MultiheadAttention self_attn_;
  Linear linear1_;
  Dropout dropout_;
  Linear linear2_;
  LayerNorm norm1_;
  LayerNorm norm2_;
  Dropout dropout1_;
  Dropout dropout2_;
};

// Layers one after the other, each of them a block, and a last norm if asked for. Unlike
// torch.nn's, which copies one layer, each starts with values of its own.
class TransformerEncoder : public Callable<TransformerEncoder> {
 public:
  using Callable::Callable;
  TransformerEncoder(Module* parent, std::string name, int64_t num_layers,
                     const TransformerOptions& options, bool final_norm = false);
  Tensor forward(const Tensor& src, const AttentionMasks& masks) const;
  Tensor operator()(const Tensor& src, const AttentionMasks& masks = {}, CallSite site = {}) const {
    return call(*this, site, src, masks);
  }

 private:
  ModuleList<TransformerEncoderLayer> layers_;
  std::optional<LayerNorm> norm_;
};

// The same with a second attention, multihead_attn, whose keys and values are the encoder's result,
// `memory`: as torch.nn.TransformerDecoderLayer.
class TransformerDecoderLayer : public Callable<TransformerDecoderLayer> {
 public:
  using Callable::Callable;
  TransformerDecoderLayer(Module* parent, std::string name, const TransformerOptions& options);
  Tensor forward(const Tensor& tgt, const Tensor& memory, const AttentionMasks& tgt_masks,
                 const AttentionMasks& memory_masks) const;
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const AttentionMasks& tgt_masks = {},
                    const AttentionMasks& memory_masks = {}, CallSite site = {}) const {
    return call(*this, site, tgt, memory, tgt_masks, memory_masks);
  }

 private:
  Tensor feedforward(const Tensor& x) const;

  TransformerOptions options_;
  MultiheadAttention self_attn_;
  MultiheadAttention multihead_attn_;
  Linear linear1_;
  Dropout dropout_;
  Linear linear2_;
  LayerNorm norm1_;
  LayerNorm norm2_;
  LayerNorm norm3_;
  Dropout dropout1_;
  Dropout dropout2_;
  Dropout dropout3_;
};

class TransformerDecoder : public Callable<TransformerDecoder> {
 public:
  using Callable::Callable;
  TransformerDecoder(Module* parent, std::string name, int64_t num_layers,
                     const TransformerOptions& options, bool final_norm = false);
  Tensor forward(const Tensor& tgt, const Tensor& memory, const AttentionMasks& tgt_masks,
                 const AttentionMasks& memory_masks) const;
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const AttentionMasks& tgt_masks = {},
                    const AttentionMasks& memory_masks = {}, CallSite site = {}) const {
    return call(*this, site, tgt, memory, tgt_masks, memory_masks);
  }

 private:
  ModuleList<TransformerDecoderLayer> layers_;
  std::optional<LayerNorm> norm_;
};

// An encoder and a decoder, each with a last norm: src (S, N, width) and tgt (T, N, width), or the
// batch first, or without one -> tgt's shape. Matrices start uniform as Xavier and Glorot say.
class Transformer : public Callable<Transformer> {
 public:
  using Callable::Callable;
  Transformer(Module* parent, std::string name, int64_t encoder_layers, int64_t decoder_layers,
              const TransformerOptions& options);
  Tensor forward(const Tensor& src, const Tensor& tgt, const AttentionMasks& src_masks,
                 const AttentionMasks& tgt_masks, const AttentionMasks& memory_masks) const;
  Tensor operator()(const Tensor& src, const Tensor& tgt, const AttentionMasks& src_masks = {},
                    const AttentionMasks& tgt_masks = {}, const AttentionMasks& memory_masks = {},
                    CallSite site = {}) const {
    return call(*this, site, src, tgt, src_masks, tgt_masks, memory_masks);
  }

 private:
  TransformerOptions options_;
  TransformerEncoder encoder_;
  TransformerDecoder decoder_;
};

}  // namespace tessera::nn
