#include "autograd/ops/attention.h"

#include <cmath>
#include <limits>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/where.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/attention.h"
#include "core/kernels/random.h"

namespace tessera {
namespace {

constexpr const char* kName = "scaled_dot_product_attention";

// What scores and probabilities are computed in.
DType compute_type(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

double scale_of(int64_t head_width) {
  return 1 / std::sqrt(static_cast<double>(std::max<int64_t>(head_width, 1)));
}

// The kernel wants stride 1 in the last dim.
Array unit_stride(const Array& x) { return x.strides().back() == 1 ? x : x.clone(); }

// (B, H, T, S) of q (B, H, T, D) and k.
Dims scores_shape(const Array& q, const Array& k) {
  return {q.shape()[0], q.shape()[1], q.shape()[2], k.shape()[2]};
}

// The gradients as Tensor functions, for when they are differentiated in their turn: q, k, v, dy
// and the mask (undefined, or floating) have four dims, heads are equal in number, and all scores
// are in memory. Hidden keys have a very low score that is finite, so that a row of them has no
// NaN; such a row is made zero afterwards.
class ComposedGrads {
 public:
  ComposedGrads(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                const AttentionArgs& args, const Array& lse, const Tensor& dy)
      : q_(q), k_(k), mask_shape_(mask.defined() ? mask.shape() : Dims{}), scale_(args.scale) {
    const Composed scope;
    Tensor scores = matmul(q, transpose(k, -1, -2)) * args.scale;
    // Half of the lowest number, so that a score may be added.
    double low = q.dtype() == DType::f64
                     ? std::numeric_limits<double>::lowest() / 2
                     : static_cast<double>(std::numeric_limits<float>::lowest() / 2);
    if (mask.defined()) scores = scores + clamp(mask, low, {});
    else if (args.mask.defined()) scores = where(args.mask, scores, low);
    if (args.causal) {
      Array pairs = Array::full({1}, 1, DType::boolean).expand({q.size(2), k.size(2)});
      scores = where(arrays::tril(pairs), scores, low);
    }
    Tensor p = softmax(scores, -1);
    if (args.mask.defined()) p = masked_fill(p, isinf(unsqueeze(lse.select(0, 0), -1)), 0);
    dp_ = matmul(dy, transpose(v, -1, -2));
    Tensor kept = p;
    if (args.dropout_p > 0) {
      Array factors = Array::empty(scores.shape(), scores.dtype(), scores.device());
      kernels(factors.device())
          .random()
          .dropout_mask(args.dropout_stream, 0, args.dropout_p, factors);
      kept = p * Tensor(factors);
      dp_ = dp_ * Tensor(factors);
    }
    dv = matmul(transpose(kept, -1, -2), dy);
    Tensor weighted = p * dp_;
    dscores_ = weighted - p * sum(weighted, {-1}, true);
  }

  Tensor dv;
  Tensor dq() const { return matmul(dscores_, k_) * scale_; }
  Tensor dk() const { return matmul(transpose(dscores_, -1, -2), q_) * scale_; }
  Tensor dmask() const { return sum_to(dscores_, mask_shape_); }

 private:
  Tensor q_, k_, dp_, dscores_;
  Dims mask_shape_;
  double scale_;
};

// k's heads, each as often as the heads of q that read it.
Tensor repeat_heads(const Tensor& x, int64_t group) {
  if (group == 1) return x;
  const Dims& s = x.shape();
  return reshape(expand(unsqueeze(x, 2), {s[0], s[1], group, s[2], s[3]}),
                 {s[0], s[1] * group, s[2], s[3]});
}

Tensor sum_heads(const Tensor& x, int64_t group) {
  if (group == 1) return x;
  const Dims& s = x.shape();
  return sum(reshape(x, {s[0], s[1] / group, group, s[2], s[3]}), {2});
}

// What backward keeps of attention over four dims.
struct SavedAttention {
  Saved q, k, v, mask;  // mask: undefined, bool, or of the compute type
  SavedResult out;
  SavedArray lse;
  AttentionArgs args;  // but for the mask

  Grads backward(const Tensor& dy, const Node& node) const {
    return context().grad_enabled ? composed(dy, node) : by_kernel(dy, node);
  }

 private:
  AttentionArgs all_args(const Node& node, const Dims& scores) const {
    AttentionArgs all = args;
    all.mask = mask.array(node);
    if (all.mask.defined()) all.mask = all.mask.expand(scores);
    return all;
  }

  Grads by_kernel(const Tensor& dy, const Node& node) const {
    Array qa = unit_stride(q.array(node));
    Array ka = unit_stride(k.array(node));
    Array va = unit_stride(v.array(node));
    AttentionArgs all = all_args(node, scores_shape(qa, ka));
    auto like = [](const Array& x) { return Array::empty(x.shape(), x.dtype(), x.device()); };
    Array dq = like(qa);
    Array dk = like(ka);
    Array dv = like(va);
    Array lse_array = lse.get(node.op());
    Array dscores;
    if (node.edges().size() > 3 && node.wants(3)) {
      dscores = Array::empty(scores_shape(qa, ka), lse_array.dtype(), qa.device());
    }
    kernels(qa.device())
        .attention()
        .grad(qa, ka, va, out.array(node), lse_array, unit_stride(dy.data()), all, dq, dk, dv,
              dscores);
    Grads grads{Tensor(dq), Tensor(dk), Tensor(dv)};
    if (node.edges().size() > 3) grads.emplace_back();
    if (dscores.defined()) grads[3] = sum_to(dscores, mask.array(node).shape());
    return grads;
  }

  Grads composed(const Tensor& dy, const Node& node) const {
    const Composed scope;
    Tensor qt = q.get(node);
    Tensor kt = k.get(node);
    Tensor mask_t = mask.get(node);
    bool added = mask_t.defined() && mask_t.dtype() != DType::boolean;
    DType dtype = qt.dtype();
    DType compute = compute_type(dtype);
    int64_t group = kt.size(1) == 0 ? 1 : qt.size(1) / kt.size(1);
    auto wide = [&](const Tensor& x) { return repeat_heads(to(x, compute), group); };
    ComposedGrads g(to(qt, compute), wide(kt), wide(v.get(node)), added ? mask_t : Tensor(),
                    all_args(node, scores_shape(qt.data(), kt.data())), lse.get(node.op()),
                    to(dy, compute));
    Grads grads(node.edges().size());
    if (node.wants(0)) grads[0] = to(g.dq(), dtype);
    if (node.wants(1)) grads[1] = to(sum_heads(g.dk(), group), dtype);
    if (node.wants(2)) grads[2] = to(sum_heads(g.dv, group), dtype);
    if (grads.size() > 3 && node.wants(3)) grads[3] = g.dmask();
    return grads;
  }
};

// q (B, H, T, D), k (B, H / group, S, D), v (B, H / group, S, E); the mask, undefined, bool or of
// the compute type, has four dims or fewer.
Tensor attention_of_heads(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                          AttentionArgs args) {
  Dims shape = q.shape();
  shape[3] = v.size(3);
  Array out = Array::empty(shape, q.dtype(), q.device());
  Array lse = Array::empty({2, shape[0], shape[1], shape[2]}, compute_type(q.dtype()), q.device());
  if (mask.defined()) args.mask = mask.data().expand(scores_shape(q.data(), k.data()));
  kernels(q.device())
      .attention()
      .run(unit_stride(q.data()), unit_stride(k.data()), unit_stride(v.data()), args, out, lse);
  args.mask = {};
  std::vector<Tensor> inputs{q, k, v};
  if (mask.defined() && mask.dtype() != DType::boolean) inputs.push_back(mask);
  if (!wants_record(inputs)) return Tensor(out);
  SavedAttention saved{q, k, v, mask, out, SavedArray(lse), args};
  return record(kName, out, inputs, [saved = std::move(saved)](const Tensor& dy, const Node& node) {
    return saved.backward(dy, node);
  });
}

Dims leading(const Dims& shape) { return Dims(std::span(shape.data(), shape.size() - 2)); }

Dims with_matrix(Dims lead, int64_t rows, int64_t cols) {
  lead.push_back(rows);
  lead.push_back(cols);
  return lead;
}

void check_inputs(const Tensor& q, const Tensor& k, const Tensor& v) {
  TESSERA_CHECK(is_floating(q.dtype()) && q.dtype() == k.dtype() && q.dtype() == v.dtype(),
                "[{}] expected q, k and v of one floating dtype, got {}, {} and {}", kName,
                q.dtype(), k.dtype(), v.dtype());
  TESSERA_CHECK(q.device() == k.device() && q.device() == v.device(),
                "[{}] expected one device, got {}, {} and {}", kName, q.device(), k.device(),
                v.device());
  TESSERA_CHECK(q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2 && q.size(-1) == k.size(-1) &&
                    k.size(-2) == v.size(-2),
                "[{}] expected q (..., T, D), k (..., S, D) and v (..., S, E), got {}, {} and {}",
                kName, q.shape(), k.shape(), v.shape());
}

// The leading dims of the result, and those that k and v are broadcast to.
struct Leads {
  Dims q, kv;
  Leads(const Tensor& q_in, const Tensor& k, const Tensor& v, bool grouped) {
    Dims own = leading(q_in.shape());
    Dims keys = broadcast_shapes(leading(k.shape()), leading(v.shape()), kName);
    if (!grouped) {
      q = kv = broadcast_shapes(own, keys, kName);
      return;
    }
    TESSERA_CHECK(!own.empty() && k.dim() >= 3 && v.dim() >= 3 && keys.back() > 0 &&
                      k.size(-3) == v.size(-3) && own.back() % keys.back() == 0,
                  "[{}] enable_gqa: expected the heads of k and v to be equal in number and to "
                  "divide q's, got q {}, k {} and v {}",
                  kName, q_in.shape(), k.shape(), v.shape());
    int64_t q_heads = std::exchange(own.back(), 1);
    int64_t kv_heads = std::exchange(keys.back(), 1);
    q = kv = broadcast_shapes(own, keys, kName);
    q.back() = q_heads;
    kv.back() = kv_heads;
  }
};

// x broadcast to the leading dims, as (B, H, rows, cols); itself where it is that already.
Tensor as_heads(const Tensor& x, const Dims& lead) {
  Dims shape = with_matrix(lead, x.size(-2), x.size(-1));
  Tensor whole = x.shape() == shape ? x : expand(x, shape);
  if (lead.size() == 2) return whole;
  int64_t heads = lead.empty() ? 1 : lead.back();
  int64_t batch = 1;
  for (size_t i = 0; i + 1 < lead.size(); ++i) batch *= lead[i];
  return reshape(whole, {batch, heads, x.size(-2), x.size(-1)});
}

// The mask in the compute type (or bool) with at most four dims that broadcast to (B, H, T, S).
Tensor as_mask(TensorArg mask, const Dims& lead, const Dims& scores, DType dtype) {
  TESSERA_CHECK(mask.dtype() == DType::boolean || is_floating(mask.dtype()),
                "[{}] expected a mask of bool or a floating dtype, got {}", kName, mask.dtype());
  TESSERA_CHECK(
      mask.dim() <= scores.size() && broadcast_shapes(mask.shape(), scores, kName) == scores,
      "[{}] expected a mask that can be broadcast to {}, got {}", kName, scores, mask.shape());
  Tensor out = mask.dtype() == DType::boolean ? Tensor(mask) : to(mask, compute_type(dtype));
  if (lead.size() <= 2 || mask.dim() <= 3) return out;
  // The dims before the heads become one.
  size_t extra = scores.size() - mask.dim();
  Dims shape = scores;
  int64_t batch = 1;
  for (size_t d = 0; d < scores.size(); ++d) {
    if (d + 1 < lead.size()) batch *= shape[d];
    else shape[d] = mask.shape()[d - extra];
  }
  return reshape(expand(out, shape),
                 {batch, shape[lead.size() - 1], shape[lead.size()], shape[lead.size() + 1]});
}

}  // namespace

Tensor scaled_dot_product_attention(TensorArg q, TensorArg k, TensorArg v, TensorArg attn_mask,
                                    double dropout_p, bool is_causal, std::optional<double> scale,
                                    bool enable_gqa) {
  check_inputs(q, k, v);
  TESSERA_CHECK(dropout_p >= 0 && dropout_p <= 1, "[{}] expected a dropout_p in [0, 1], got {}",
                kName, dropout_p);
  TESSERA_CHECK(!is_causal || !attn_mask.defined(), "[{}] expected a mask or is_causal, got both",
                kName);
  const Composed scope;
  Leads leads(q, k, v, enable_gqa);
  Tensor mask;
  if (attn_mask.defined()) {
    mask = as_mask(attn_mask, leads.q, with_matrix(leads.q, q.size(-2), k.size(-2)), q.dtype());
  }
  AttentionArgs args{.scale = scale.value_or(scale_of(q.size(-1))), .causal = is_causal};
  if (dropout_p > 0) {
    args.dropout_p = dropout_p;
    args.dropout_stream = context().next_stream();
  }
  Tensor out = attention_of_heads(as_heads(q, leads.q), as_heads(k, leads.kv),
                                  as_heads(v, leads.kv), mask, args);
  if (leads.q.size() == 2) return out;
  return reshape(out, with_matrix(leads.q, q.size(-2), v.size(-1)));
}

namespace {

// The three parts of (B, T, 3 C) as (B, H, T, C / H), all views.
template <class Tensors>
struct Parts {
  Tensors q, k, v;
};

Parts<Array> split_heads(const Array& qkv, int64_t heads) {
  int64_t width = qkv.shape()[2] / 3 / heads;
  Array split = qkv.view({qkv.shape()[0], qkv.shape()[1], 3, heads, width});
  Array parts = split.permute({2, 0, 3, 1, 4});
  return {parts.select(0, 0), parts.select(0, 1), parts.select(0, 2)};
}

Parts<Tensor> split_heads(const Tensor& qkv, int64_t heads) {
  int64_t width = qkv.size(2) / 3 / heads;
  Tensor split = reshape(qkv, {qkv.size(0), qkv.size(1), 3, heads, width});
  Tensor parts = permute(split, {2, 0, 3, 1, 4});
  return {select(parts, 0, 0), select(parts, 0, 1), select(parts, 0, 2)};
}

// (B, T, C) seen as (B, H, T, C / H)
Array by_head(const Array& y, int64_t heads) {
  return y.view({y.shape()[0], y.shape()[1], heads, y.shape()[2] / heads}).transpose(1, 2);
}

// The gradient of self_attention as Tensor functions.
Tensor composed_self_grad(const Tensor& x, const Tensor& dy, int64_t heads,
                          const AttentionArgs& args, const Array& lse) {
  const Composed scope;
  DType compute = compute_type(x.dtype());
  Parts<Tensor> in = split_heads(to(x, compute), heads);
  Tensor wide = reshape(to(dy, compute), {dy.size(0), dy.size(1), heads, dy.size(2) / heads});
  ComposedGrads g(in.q, in.k, in.v, {}, args, lse, transpose(wide, 1, 2));
  Tensor dx = permute(stack({g.dq(), g.dk(), g.dv}, 0), {1, 3, 0, 2, 4});
  return to(reshape(dx, x.shape()), x.dtype());
}

}  // namespace

Tensor self_attention(TensorArg qkv, int64_t num_heads, bool causal) {
  TESSERA_CHECK(qkv.dim() == 3 && num_heads > 0 && qkv.size(2) % (3 * num_heads) == 0,
                "[self_attention] expected qkv (B, T, 3 C) with C divisible by {} heads, got {}",
                num_heads, qkv.shape());
  TESSERA_CHECK(is_floating(qkv.dtype()), "[self_attention] expected a floating dtype, got {}",
                qkv.dtype());
  Array x = qkv.data().contiguous();
  int64_t width = x.shape()[2] / 3;
  AttentionArgs args{.scale = scale_of(width / num_heads), .causal = causal};
  Array out = Array::empty({x.shape()[0], x.shape()[1], width}, x.dtype(), x.device());
  Array lse =
      Array::empty({2, x.shape()[0], num_heads, x.shape()[1]}, compute_type(x.dtype()), x.device());
  auto in = split_heads(x, num_heads);
  kernels(x.device()).attention().run(in.q, in.k, in.v, args, by_head(out, num_heads), lse);
  auto backward = [num_heads, args, sx = Saved(qkv), sout = SavedResult(out),
                   slse = SavedArray(lse)](const Tensor& dy, const Node& node) {
    Array lse = slse.get(node.op());
    if (context().grad_enabled) {
      return Grads{composed_self_grad(sx.get(node), dy, num_heads, args, lse)};
    }
    Array x = sx.array(node).contiguous();
    Array dx = Array::empty(x.shape(), x.dtype(), x.device());
    auto in = split_heads(x, num_heads);
    auto grads = split_heads(dx, num_heads);
    kernels(x.device())
        .attention()
        .grad(in.q, in.k, in.v, by_head(sout.array(node), num_heads), lse,
              by_head(dy.data().contiguous(), num_heads), args, grads.q, grads.k, grads.v, {});
    return Grads{Tensor(dx)};
  };
  return record("self_attention", out, {qkv}, std::move(backward));
}

}  // namespace tessera
