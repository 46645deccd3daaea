#include "nn/layers/multihead_attention.h"

#include <cmath>
#include <limits>

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

constexpr const char* kMultihead = "MultiheadAttention";
constexpr double kHidden = -std::numeric_limits<double>::infinity();

Init xavier_uniform(int64_t rows, int64_t cols) {
  return Init::uniform(std::sqrt(6 / static_cast<double>(rows + cols)));
}

bool is_bool(const Tensor& mask) { return mask.dtype() == DType::boolean; }

// A mask of torch.nn's, of bool or floating, as a floating one of that dtype.
Tensor as_scores(const Tensor& mask, DType dtype) {
  if (!is_bool(mask)) return tessera::to(mask, dtype);
  return masked_fill(Tensor(Array::zeros(mask.shape(), dtype, mask.device())), mask, kHidden);
}

// Hides what either of two of torch.nn's masks does; each may be undefined.
Tensor either(const Tensor& a, const Tensor& b, DType dtype) {
  if (!a.defined() || !b.defined()) return a.defined() ? a : b;
  if (is_bool(a) && is_bool(b)) return logical_or(a, b);
  return as_scores(a, dtype) + as_scores(b, dtype);
}

// True for the keys after each query.
Tensor later_keys(int64_t queries, int64_t keys, Device device) {
  Array all = Array::full({queries, keys}, 1, DType::boolean);
  return Tensor(arrays::triu(all, 1).to(device));
}

// All masks as one that broadcasts to (batch, heads, T, S), as torch.nn says it; undefined where
// nothing is hidden.
Tensor joined(const AttentionMasks& masks, int64_t batch, int64_t heads, const Tensor& q,
              const Tensor& k) {
  for (const Tensor& mask : {masks.attn, masks.key_padding}) {
    TESSERA_CHECK(!mask.defined() || is_bool(mask) || is_floating(mask.dtype()),
                  "[{}] expected masks of bool or of a floating dtype, got {}", kMultihead,
                  mask.dtype());
  }
  Tensor attn = masks.attn;
  TESSERA_CHECK(!attn.defined() || !masks.causal, "[{}] expected attn or causal, got both",
                kMultihead);
  if (masks.causal) attn = later_keys(q.size(2), k.size(2), q.device());
  if (attn.defined() && attn.dim() == 3) {
    TESSERA_CHECK(attn.size(0) == batch * heads, "[{}] expected a mask of {} x {} heads, got {}",
                  kMultihead, batch, heads, attn.shape());
    attn = reshape(attn, {batch, heads, attn.size(1), attn.size(2)});
  }
  Tensor padding = masks.key_padding;
  if (padding.defined()) {
    Tensor rows = padding.dim() == 1 ? unsqueeze(padding, 0) : padding;
    TESSERA_CHECK(rows.shape() == (Dims{batch, k.size(2)}),
                  "[{}] expected a key_padding of ({}, {}), got {}", kMultihead, batch, k.size(2),
                  padding.shape());
    padding = reshape(rows, {batch, 1, 1, k.size(2)});
  }
  // In 16 bits the scores of a mask would lose digits that attention itself keeps.
  return either(attn, padding, q.dtype() == DType::f64 ? DType::f64 : DType::f32);
}

// What scaled_dot_product_attention takes: true takes part.
Tensor for_attention(const Tensor& mask) {
  return mask.defined() && is_bool(mask) ? logical_not(mask) : mask;
}

}  // namespace

MultiheadAttention::MultiheadAttention(Module* parent, std::string name, int64_t embed,
                                       int64_t heads, Options options)
    : Callable(parent, std::move(name)),
      out_proj(this, "out_proj", embed, embed, {.bias = options.bias}),
      embed_(embed),
      heads_(heads),
      options_(options) {
  TESSERA_CHECK(heads >= 1 && embed % heads == 0, "[{}] {} heads do not divide a width of {}",
                kMultihead, heads, embed);
  TESSERA_CHECK(options.kdim >= 0 && options.vdim >= 0, "[{}] kdim and vdim cannot be negative",
                kMultihead);
  TESSERA_CHECK(options.dropout >= 0 && options.dropout <= 1,
                "[{}] expected a probability in [0, 1], got {}", kMultihead, options.dropout);
  keep_callers_place();
  int64_t kdim = options.kdim == 0 ? embed : options.kdim;
  int64_t vdim = options.vdim == 0 ? embed : options.vdim;
  if (kdim == embed && vdim == embed) {
    in_proj_weight =
        add_parameter("in_proj_weight", {3 * embed, embed}, xavier_uniform(3 * embed, embed));
  } else {
    auto add = [&](const char* part, int64_t from) {
      return add_parameter(part, {embed, from}, xavier_uniform(embed, from));
    };
    q_proj_weight = add("q_proj_weight", embed);
    k_proj_weight = add("k_proj_weight", kdim);
    v_proj_weight = add("v_proj_weight", vdim);
  }
  if (!options.bias) return;
  in_proj_bias = add_parameter("in_proj_bias", {3 * embed}, Init::constant(0));
  out_proj.set_initial_values(out_proj.bias, Init::constant(0));
}

Tensor MultiheadAttention::weight_of(int64_t part) const {
  if (in_proj_weight.defined()) return narrow(in_proj_weight, 0, part * embed_, embed_);
  return part == 0 ? q_proj_weight : part == 1 ? k_proj_weight : v_proj_weight;
}

Tensor MultiheadAttention::project(const Tensor& x, int64_t part) const {
  Tensor weight = weight_of(part);
  TESSERA_CHECK(x.dim() == 3 && x.size(2) == weight.size(1),
                "[{}] expected {} of three dims, the last of size {}, got {}", kMultihead,
                part == 0   ? "queries"
                : part == 1 ? "keys"
                            : "values",
                weight.size(1), x.shape());
  Tensor bias = in_proj_bias.defined() ? narrow(in_proj_bias, 0, part * embed_, embed_) : Tensor();
  return by_head(linear(x, weight, bias));
}

Tensor MultiheadAttention::by_head(const Tensor& x) const {
  return transpose(reshape(x, {x.size(0), x.size(1), heads_, embed_ / heads_}), 1, 2);
}

// All three batch first.
Tensor MultiheadAttention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                  const AttentionMasks& masks) const {
  double dropout_p = training() ? options_.dropout : 0;
  bool one_input = query.shared() == key.shared() && key.shared() == value.shared() &&
                   in_proj_weight.defined() && query.dim() == 3 && query.size(2) == embed_;
  Tensor q, k, v;
  if (one_input) {
    Tensor qkv = linear(query, in_proj_weight, in_proj_bias);
    if (!masks.attn.defined() && !masks.key_padding.defined() && dropout_p == 0) {
      return self_attention(qkv, heads_, masks.causal);
    }
    std::vector<Tensor> parts = chunk(qkv, 3, 2);
    q = by_head(parts[0]);
    k = by_head(parts[1]);
    v = by_head(parts[2]);
  } else {
    q = project(query, 0);
    k = project(key, 1);
    v = project(value, 2);
  }
  Tensor mask = for_attention(joined(masks, query.size(0), heads_, q, k));
  Tensor out = scaled_dot_product_attention(q, k, v, mask, dropout_p);
  return reshape(transpose(out, 1, 2), {query.size(0), query.size(1), embed_});
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttentionMasks& masks) const {
  size_t dims = query.dim();
  TESSERA_CHECK((dims == 2 || dims == 3) && key.dim() == dims && value.dim() == dims,
                "[{}] expected queries, keys and values of three dims, or two without a batch, got "
                "{}, {} and {}",
                kMultihead, query.shape(), key.shape(), value.shape());
  // What is one input stays one, so that it is projected once.
  auto batch_first = [&](const Tensor& x) {
    if (dims == 2) return unsqueeze(x, 0);
    return options_.batch_first ? x : transpose(x, 0, 1);
  };
  Tensor q = batch_first(query);
  Tensor k = key.shared() == query.shared() ? q : batch_first(key);
  Tensor v = value.shared() == key.shared() ? k : batch_first(value);
  TESSERA_CHECK(q.size(0) == k.size(0) && k.size(0) == v.size(0) && k.size(1) == v.size(1),
                "[{}] expected one batch, and as many keys as values, got {}, {} and {}",
                kMultihead, query.shape(), key.shape(), value.shape());
  Tensor out = out_proj(attend(q, k, v, masks));
  if (dims == 2) return squeeze(out, 0);
  return options_.batch_first ? out : transpose(out, 0, 1);
}

Tensor MultiheadAttention::weights(const Tensor& query, const Tensor& key,
                                   const AttentionMasks& masks) const {
  const Composed scope;
  auto batch_first = [&](const Tensor& x) {
    return options_.batch_first || x.dim() != 3 ? x : transpose(x, 0, 1);
  };
  Tensor q = project(batch_first(query), 0);
  Tensor k = project(batch_first(key), 1);
  Tensor mask = joined(masks, q.size(0), heads_, q, k);
  double scale = 1 / std::sqrt(static_cast<double>(embed_ / heads_));
  Tensor scores = matmul(q, transpose(k, 2, 3)) * scale;
  if (!mask.defined()) return softmax(scores);
  scores = scores + as_scores(mask, scores.dtype());
  // A query that sees no key weighs none.
  Tensor blind = eq(amax(scores, {-1}, true), kHidden);
  return masked_fill(softmax(masked_fill(scores, blind, 0)), blind, 0);
}

}  // namespace tessera::nn
