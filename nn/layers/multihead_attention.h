// MultiheadAttention.
#pragma once

#include "nn/layers/linear.h"

namespace tessera::nn {

// What a query does not see, as torch.nn says it: true in a mask of bool leaves a key out; one of a
// floating dtype is added to the scores.
struct AttentionMasks {
  Tensor attn = {};         // (T, S), (N * heads, T, S), or any shape that broadcasts to
                            // (N, heads, T, S)
  Tensor key_padding = {};  // (N, S), or (S) without a batch
  bool causal = false;      // hides the keys after each query; not beside attn

  template <class F>
  void visit_tensors(F&& f) {
    f(attn);
    f(key_padding);
  }
};

// torch.nn.MultiheadAttention (Vaswani et al. 2017): queries (N, T, embed), keys (N, S, kdim) and
// values (N, S, vdim) -> (N, T, embed). Parameters are in_proj_weight (3 embed, embed), which
// starts uniform as Xavier and Glorot say, or q_proj_weight, k_proj_weight and v_proj_weight where
// kdim or vdim differ from embed; in_proj_bias, bias_k and bias_v (1, 1, embed), which start normal
// as Xavier and Glorot say; out_proj.weight, out_proj.bias. A query that sees no key gets the
// output projection's bias, where PyTorch gives NaN.
class MultiheadAttention : public Callable<MultiheadAttention> {
 public:
  using Callable::Callable;
  struct Options {
    double dropout = 0;  // on the weights of keys, in training mode
    bool bias = true;
    int64_t kdim = 0;          // 0: embed
    int64_t vdim = 0;          // 0: embed
    bool batch_first = false;  // (N, T, ...) rather than (T, N, ...)
    // After the keys and values that are given, and seen by every query: ones that are learned,
    // bias_k and bias_v; and zeros.
    bool add_bias_kv = false;
    bool add_zero_attn = false;
  };
  // heads divides embed.
  MultiheadAttention(Module* parent, std::string name, int64_t embed, int64_t heads,
                     Options options);
  MultiheadAttention(NotThis, int64_t embed, int64_t heads, Options options) = delete;

  // The batch may be missing from all three.
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value,
                 const AttentionMasks& masks) const;
  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                    const AttentionMasks& masks = {}, CallSite site = {}) const {
    return call(*this, site, query, key, value, masks);
  }
  // The weights of keys that such a call multiplies values with, without dropout: (N, heads, T, S),
  // or (heads, T, S) without a batch, S counting those that are added. They are the memory that a
  // call does not need. It is no call of the module: no hooks run, and the parameters of a block
  // under zero3 and hybrid are there in TrainStep::whole_parameters only.
  Tensor weights(const Tensor& query, const Tensor& key, const AttentionMasks& masks = {}) const;

  Tensor in_proj_weight;
  Tensor q_proj_weight;
  Tensor k_proj_weight;
  Tensor v_proj_weight;
  Tensor in_proj_bias;
  Tensor bias_k;
  Tensor bias_v;
  Linear out_proj;

 private:
  // Part i (queries, keys, values) of the input projection, and (N, heads, T, embed / heads).
  Tensor weight_of(int64_t part) const;
  Tensor project(const Tensor& x, int64_t part) const;
  Tensor by_head(const Tensor& x) const;
  // A tensor of a call with the batch first, which is added where it is missing; what a call gives.
  Tensor with_batch_first(const Tensor& x) const;
  Tensor as_given(const Tensor& x, bool had_batch) const;
  // Keys (part 1) or values (part 2) by head, with those that are added.
  Tensor with_added(const Tensor& by_head, int64_t part) const;
  // As joined() makes it of keys without those that are added, of which each is seen.
  Tensor with_added_seen(const Tensor& mask, int64_t keys) const;
  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value,
                const AttentionMasks& masks) const;

  int64_t embed_;
  int64_t heads_;
  Options options_;
};

}  // namespace tessera::nn
