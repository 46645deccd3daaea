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

// Queries, keys and, where there are any, values as they are given, and with the batch first.
void check_inputs(const std::vector<Tensor>& given) {
  size_t dims = given[0].dim();
  std::string shapes;
  bool fit = dims == 2 || dims == 3;
  for (const Tensor& x : given) {
    fit = fit && x.dim() == dims;
    shapes += (shapes.empty() ? "" : &x == &given.back() ? " and " : ", ") + to_string(x.shape());
  }
  TESSERA_CHECK(fit, "[{}] expected {} of three dims, or two without a batch, got {}", kMultihead,
                given.size() == 3 ? "queries, keys and values" : "queries and keys", shapes);
}

void check_batches(const std::vector<Tensor>& batch_first) {
  const Tensor& q = batch_first[0];
  const Tensor& k = batch_first[1];
  bool one_batch = q.size(0) == k.size(0);
  if (batch_first.size() == 2) {
    TESSERA_CHECK(one_batch, "[{}] expected one batch, got {} and {} with the batch first",
                  kMultihead, q.shape(), k.shape());
    return;
  }
  const Tensor& v = batch_first[2];
  TESSERA_CHECK(one_batch && k.size(0) == v.size(0) && k.size(1) == v.size(1),
                "[{}] expected one batch, and as many keys as values, got {}, {} and {} with the "
                "batch first",
                kMultihead, q.shape(), k.shape(), v.shape());
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
  if (options.add_bias_kv) {
    Init xavier = Init::xavier_normal({1, 1, embed});
    bias_k = add_parameter("bias_k", {1, 1, embed}, xavier);
    bias_v = add_parameter("bias_v", {1, 1, embed}, xavier);
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

Tensor MultiheadAttention::with_added(const Tensor& by_head_given, int64_t part) const {
  Tensor x = by_head_given;
  if (options_.add_bias_kv) {
    Tensor added =
        expand(by_head(part == 1 ? bias_k : bias_v), {x.size(0), heads_, 1, embed_ / heads_});
    x = cat({x, tessera::to(added, x.dtype())}, 2);
  }
  return options_.add_zero_attn ? pad(x, {0, 0, 0, 1}) : x;
}

Tensor MultiheadAttention::with_added_seen(const Tensor& mask, int64_t keys) const {
  int64_t added = (options_.add_bias_kv ? 1 : 0) + (options_.add_zero_attn ? 1 : 0);
  if (!mask.defined() || added == 0) return mask;
  Tensor rows = mask.dim() == 0 ? reshape(mask, {1}) : mask;
  Dims shape = rows.shape();
  shape.back() = keys;
  return pad(expand(rows, shape), {0, added});
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
    bool adds_keys = options_.add_bias_kv || options_.add_zero_attn;
    bool masked = masks.attn.defined() || masks.key_padding.defined();
    if (!masked && !adds_keys && dropout_p == 0) {
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
  Tensor mask = with_added_seen(joined(masks, query.size(0), heads_, q, k), k.size(2));
  Tensor out = scaled_dot_product_attention(q, with_added(k, 1), with_added(v, 2),
                                            for_attention(mask), dropout_p);
  return reshape(transpose(out, 1, 2), {query.size(0), query.size(1), embed_});
}

Tensor MultiheadAttention::with_batch_first(const Tensor& x) const {
  if (x.dim() == 2) return unsqueeze(x, 0);
  return options_.batch_first ? x : transpose(x, 0, 1);
}

Tensor MultiheadAttention::as_given(const Tensor& x, bool had_batch) const {
  if (!had_batch) return squeeze(x, 0);
  return options_.batch_first ? x : transpose(x, 0, 1);
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttentionMasks& masks) const {
  check_inputs({query, key, value});
  // What is one input stays one, so that it is projected once.
  Tensor q = with_batch_first(query);
  Tensor k = key.shared() == query.shared() ? q : with_batch_first(key);
  Tensor v = value.shared() == key.shared() ? k : with_batch_first(value);
  check_batches({q, k, v});
  return as_given(out_proj(attend(q, k, v, masks)), query.dim() == 3);
}

Tensor MultiheadAttention::weights(const Tensor& query, const Tensor& key,
                                   const AttentionMasks& masks) const {
  const Composed scope;
  const MadeParameters made(*this);
  check_inputs({query, key});
  std::vector<Tensor> given{with_batch_first(query), with_batch_first(key)};
  check_batches(given);
  Tensor q = project(given[0], 0);
  Tensor k = project(given[1], 1);
  Tensor mask = with_added_seen(joined(masks, q.size(0), heads_, q, k), k.size(2));
  double scale = 1 / std::sqrt(static_cast<double>(embed_ / heads_));
  Tensor scores = matmul(q, transpose(with_added(k, 1), 2, 3)) * scale;
  auto with_batch = [&](const Tensor& x) { return query.dim() == 3 ? x : squeeze(x, 0); };
  if (!mask.defined()) return with_batch(softmax(scores));
  scores = scores + as_scores(mask, scores.dtype());
  // A query that sees no key weighs none.
  Tensor blind = eq(amax(scores, {-1}, true), kHidden);
  return with_batch(masked_fill(softmax(masked_fill(scores, blind, 0)), blind, 0));
}

}  // namespace tessera::nn
