// Attention.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// softmax(q k^T / sqrt(D)) v over heads (Vaswani et al. 2017): q (B, H, T, D), k (B, H, S, D),
// v (B, H, S, E) -> (B, H, T, E). causal hides the keys after each query, counted from the start
// of both. The scores of 64 queries at a time are in memory, never all of them.
Tensor scaled_dot_product_attention(TensorArg q, TensorArg k, TensorArg v, bool causal);

// The same for queries, keys and values that one linear layer made: qkv (B, T, 3 C) holds q, k and
// v side by side, each of num_heads heads -> (B, T, C). Nothing is copied on the way in or out.
Tensor self_attention(TensorArg qkv, int64_t num_heads, bool causal);

}  // namespace tessera
