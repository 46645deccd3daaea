// Attention.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// softmax(scale q k^T + mask) v (Vaswani et al. 2017): q (..., H, T, D), k (..., H, S, D) and
// v (..., H, S, E) -> (..., H, T, E), with any number of leading dims, broadcast. All of one
// floating dtype; the 16-bit ones are computed in f32. As in PyTorch:
// - attn_mask, broadcast to (..., H, T, S), is bool (true takes part) or floating (added), and may
//   require a gradient. A query that sees no key gets zeros, and so do the gradients; one with
//   nothing but scores of minus infinity, as products beyond the range are, sees none. Other scores
//   that are not finite give NaN.
// - dropout_p in [0, 1] leaves keys out after the softmax, whatever the mode of a module.
// - is_causal hides the keys after each query, counted from the start of both; not with a mask.
// - scale is 1 / sqrt(D) unless given.
// - enable_gqa: k and v have fewer heads, a divisor of q's; each serves as many neighbours of q's.
// Memory is linear in T and S, forward and backward: scores are made tile by tile, and again for
// the gradient. A mask that requires a gradient, and gradients with create_graph, need memory for
// all scores in backward.
Tensor scaled_dot_product_attention(TensorArg q, TensorArg k, TensorArg v, TensorArg attn_mask = {},
                                    double dropout_p = 0, bool is_causal = false,
                                    std::optional<double> scale = {}, bool enable_gqa = false);

// The same for queries, keys and values that one linear layer made: qkv (B, T, 3 C) holds q, k and
// v side by side, each of num_heads heads -> (B, T, C). Nothing is copied on the way in or out.
Tensor self_attention(TensorArg qkv, int64_t num_heads, bool causal);

}  // namespace tessera
