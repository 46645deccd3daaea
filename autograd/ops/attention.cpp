#include "autograd/ops/attention.h"

#include <cmath>

#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

double scale_of(int64_t head_width) {
  return 1 / std::sqrt(static_cast<double>(std::max<int64_t>(head_width, 1)));
}

// The kernel wants stride 1 in the last dim, and tokens that do not overlap (a stride of 0).
Array unit_stride(const Array& x) {
  bool overlaps = x.shape()[2] > 1 && x.strides()[2] == 0;
  return x.strides()[3] == 1 && !overlaps ? x : x.clone();
}

// The three parts of (B, T, 3 C) as (B, H, T, C / H), all views.
struct Heads {
  Array q, k, v;
  Heads(const Array& qkv, int64_t heads) {
    int64_t width = qkv.shape()[2] / 3 / heads;
    Array split = qkv.view({qkv.shape()[0], qkv.shape()[1], 3, heads, width});
    Array parts = split.permute({2, 0, 3, 1, 4});
    q = parts.select(0, 0);
    k = parts.select(0, 1);
    v = parts.select(0, 2);
  }
};

}  // namespace

Tensor scaled_dot_product_attention(TensorArg q, TensorArg k, TensorArg v, bool causal) {
  TESSERA_CHECK(q.dim() == 4 && k.dim() == 4 && v.dim() == 4 && q.size(0) == k.size(0) &&
                    q.size(1) == k.size(1) && q.size(3) == k.size(3) && v.size(0) == k.size(0) &&
                    v.size(1) == k.size(1) && v.size(2) == k.size(2),
                "[attention] expected q (B, H, T, D), k (B, H, S, D), v (B, H, S, E), got {}, {}, "
                "{}",
                q.shape(), k.shape(), v.shape());
  TESSERA_CHECK(q.dtype() == k.dtype() && q.dtype() == v.dtype(),
                "[attention] expected one dtype, got {}, {} and {}", q.dtype(), k.dtype(),
                v.dtype());
  TESSERA_CHECK(k.size(2) > 0 || q.size(2) == 0, "[attention] expected at least one key");
  Array qa = unit_stride(q.data());
  Array ka = unit_stride(k.data());
  Array va = unit_stride(v.data());
  double scale = scale_of(q.size(3));
  Array out = Array::empty({q.size(0), q.size(1), q.size(2), v.size(3)}, q.dtype(), q.device());
  Array lse = Array::empty({q.size(0), q.size(1), q.size(2)}, q.dtype(), q.device());
  kernels(q.device()).attention().run(qa, ka, va, scale, causal, out, lse);
  return record(
      "attention", out, {q, k, v},
      [sq = SavedArray(qa), sk = SavedArray(ka), sv = SavedArray(va), sout = SavedArray(out),
       slse = SavedArray(lse), scale, causal](const Tensor& dy, const Node& node) {
        check_no_graph(node.op());
        Array qa = sq.get(node.op());
        Array ka = sk.get(node.op());
        Array va = sv.get(node.op());
        Array out = sout.get(node.op());
        Array lse = slse.get(node.op());
        Array dq = Array::empty(qa.shape(), qa.dtype(), qa.device());
        Array dk = Array::empty(ka.shape(), ka.dtype(), ka.device());
        Array dv = Array::empty(va.shape(), va.dtype(), va.device());
        kernels(qa.device())
            .attention()
            .grad(qa, ka, va, out, lse, unit_stride(dy.data()), scale, causal, dq, dk, dv);
        return Grads{Tensor(dq), Tensor(dk), Tensor(dv)};
      });
}

Tensor self_attention(TensorArg qkv, int64_t num_heads, bool causal) {
  TESSERA_CHECK(qkv.dim() == 3 && num_heads > 0 && qkv.size(2) % (3 * num_heads) == 0,
                "[self_attention] expected qkv (B, T, 3 C) with C divisible by {} heads, got {}",
                num_heads, qkv.shape());
  TESSERA_CHECK(qkv.dtype() == DType::f32 || qkv.dtype() == DType::f64,
                "[self_attention] expected f32 or f64, got {}", qkv.dtype());
  Array x = qkv.data().contiguous();
  int64_t width = x.shape()[2] / 3;
  double scale = scale_of(width / num_heads);
  Array out = Array::empty({x.shape()[0], x.shape()[1], width}, x.dtype(), x.device());
  Array lse = Array::empty({x.shape()[0], num_heads, x.shape()[1]}, x.dtype(), x.device());
  // (B, T, C) seen as (B, H, T, C / H)
  auto by_head = [num_heads](const Array& y) {
    return y.view({y.shape()[0], y.shape()[1], num_heads, y.shape()[2] / num_heads})
        .transpose(1, 2);
  };
  Heads in(x, num_heads);
  kernels(x.device()).attention().run(in.q, in.k, in.v, scale, causal, by_head(out), lse);
  return record("self_attention", out, {qkv},
                [num_heads, scale, causal, by_head, sx = SavedArray(x), sout = SavedArray(out),
                 slse = SavedArray(lse)](const Tensor& dy, const Node& node) {
                  check_no_graph(node.op());
                  Array x = sx.get(node.op());
                  Array out = sout.get(node.op());
                  Array lse = slse.get(node.op());
                  Heads in(x, num_heads);
                  Array dx = Array::empty(x.shape(), x.dtype(), x.device());
                  Heads dheads(dx, num_heads);
                  kernels(x.device())
                      .attention()
                      .grad(in.q, in.k, in.v, by_head(out), lse, by_head(dy.data().contiguous()),
                            scale, causal, dheads.q, dheads.k, dheads.v);
                  return Grads{Tensor(dx)};
                });
}

}  // namespace tessera
