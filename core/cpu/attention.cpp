#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/cpu.h"
#include "core/cpu/gemm.h"
#include "core/cpu/rows-inl.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Queries of one tile. Only a tile's scores are ever in memory: kQueries x T numbers a thread.
inline constexpr int64_t kQueries = 64;

template <class T>
struct Heads {
  T* data;
  int64_t batch, head, token;  // strides; the last dim's is 1
  explicit Heads(const Array& x)
      : data(x.data<T>()), batch(x.strides()[0]), head(x.strides()[1]), token(x.strides()[2]) {}
  T* at(int64_t b, int64_t h, int64_t t) const { return data + b * batch + h * head + t * token; }
  MatrixView<T> rows(int64_t b, int64_t h, int64_t t) const { return {at(b, h, t), token, 1}; }
  MatrixView<T> turned(int64_t b, int64_t h, int64_t t) const { return {at(b, h, t), 1, token}; }
};

// Keys that a tile of queries starting at `first` can see.
inline int64_t visible_keys(int64_t first, int64_t queries, int64_t keys, bool causal) {
  return causal ? std::min(first + queries, keys) : keys;
}

// Turns a row of raw scores into exp(scale * score - shift) in place, zeros beyond `seen`.
template <class T>
void exp_scores(T* row, T scale, T shift, size_t seen, size_t width) {
  const VectorMath<T> m;
  const Vec<T> factor = m.constant(scale);
  const Vec<T> top = m.constant(shift);
  for_each_vector<T>(seen, [&](size_t j, size_t lanes) HWY_ATTR {
    store_lanes(m.exp_nonpositive(load_lanes(row + j, lanes) * factor - top), lanes, row + j);
  });
  std::fill(row + seen, row + width, T{0});
}

template <class T>
void attention_typed(const Array& q, const Array& k, const Array& v, double scale, bool causal,
                     const Array& out, const Array& lse) {
  int64_t heads = q.shape()[1];
  int64_t tokens = q.shape()[2];
  int64_t keys = k.shape()[2];
  int64_t width = q.shape()[3];
  int64_t v_width = v.shape()[3];
  Heads<T> hq(q), hk(k), hv(v), ho(out);
  auto factor = static_cast<T>(scale);
  parallel_for(q.shape()[0] * heads, [&](int64_t task) {
    int64_t b = task / heads;
    int64_t h = task % heads;
    Array scratch = Array::empty({kQueries, keys}, q.dtype());
    T* scores = scratch.data<T>();
    for (int64_t first = 0; first < tokens; first += kQueries) {
      int64_t queries = std::min(kQueries, tokens - first);
      int64_t seen = visible_keys(first, queries, keys, causal);
      gemm<T>(queries, seen, width, hq.rows(b, h, first), hk.turned(b, h, 0), nullptr, false,
              scores, seen);
      for (int64_t i = 0; i < queries; ++i) {
        T* row = scores + i * seen;
        auto own = static_cast<size_t>(visible_keys(first + i, 1, keys, causal));
        T largest = row_max(row, own) * factor;
        exp_scores(row, factor, largest, own, static_cast<size_t>(seen));
        T sum = row_sum(row, own);
        scale_row(T{1} / sum, row, own);
        lse.data<T>()[task * tokens + first + i] = largest + std::log(sum);
      }
      gemm<T>(queries, v_width, seen, {scores, seen, 1}, hv.rows(b, h, 0), nullptr, false,
              ho.at(b, h, first), ho.token);
    }
  });
}

// ds = p (dp - sum(dout out)) scale, written over dp.
template <class T>
void score_grad_row(const T* p, T* dp, T delta, T scale, size_t width) {
  const hn::ScalableTag<T> d;
  const Vec<T> shift = hn::Set(d, delta);
  const Vec<T> factor = hn::Set(d, scale);
  for_each_vector<T>(width, [&](size_t j, size_t lanes) HWY_ATTR {
    store_lanes(load_lanes(p + j, lanes) * (load_lanes(dp + j, lanes) - shift) * factor, lanes,
                dp + j);
  });
}

template <class T>
void clear_head(T* data, int64_t tokens, int64_t width, int64_t stride) {
  for (int64_t t = 0; t < tokens; ++t) std::fill_n(data + t * stride, width, T{0});
}

// The probabilities are made again from q, k and lse. Per tile of queries:
// dv += p^T dout; dp = dout v^T; dq = ds k; dk += ds^T q
template <class T>
void attention_grad_typed(const Array& q, const Array& k, const Array& v, const Array& out,
                          const Array& lse, const Array& dout, double scale, bool causal,
                          const Array& dq, const Array& dk, const Array& dv) {
  int64_t heads = q.shape()[1];
  int64_t tokens = q.shape()[2];
  int64_t keys = k.shape()[2];
  int64_t width = q.shape()[3];
  int64_t v_width = v.shape()[3];
  Heads<T> hq(q), hk(k), hv(v), ho(out), hdo(dout), hdq(dq), hdk(dk), hdv(dv);
  auto factor = static_cast<T>(scale);
  parallel_for(q.shape()[0] * heads, [&](int64_t task) {
    int64_t b = task / heads;
    int64_t h = task % heads;
    Array scratch = Array::empty({2, kQueries, keys}, q.dtype());
    T* p = scratch.data<T>();
    T* dp = p + kQueries * keys;
    clear_head(hdk.at(b, h, 0), keys, width, hdk.token);
    clear_head(hdv.at(b, h, 0), keys, v_width, hdv.token);
    for (int64_t first = 0; first < tokens; first += kQueries) {
      int64_t queries = std::min(kQueries, tokens - first);
      int64_t seen = visible_keys(first, queries, keys, causal);
      gemm<T>(queries, seen, width, hq.rows(b, h, first), hk.turned(b, h, 0), nullptr, false, p,
              seen);
      gemm<T>(queries, seen, v_width, hdo.rows(b, h, first), hv.turned(b, h, 0), nullptr, false, dp,
              seen);
      for (int64_t i = 0; i < queries; ++i) {
        auto own = static_cast<size_t>(visible_keys(first + i, 1, keys, causal));
        exp_scores(p + i * seen, factor, lse.data<T>()[task * tokens + first + i], own,
                   static_cast<size_t>(seen));
      }
      gemm<T>(seen, v_width, queries, {p, 1, seen}, hdo.rows(b, h, first), nullptr, true,
              hdv.at(b, h, 0), hdv.token);
      for (int64_t i = 0; i < queries; ++i) {
        T delta =
            row_dot(hdo.at(b, h, first + i), ho.at(b, h, first + i), static_cast<size_t>(v_width));
        score_grad_row(p + i * seen, dp + i * seen, delta, factor, static_cast<size_t>(seen));
      }
      gemm<T>(queries, width, seen, {dp, seen, 1}, hk.rows(b, h, 0), nullptr, false,
              hdq.at(b, h, first), hdq.token);
      gemm<T>(seen, width, queries, {dp, 1, seen}, hq.rows(b, h, first), nullptr, true,
              hdk.at(b, h, 0), hdk.token);
    }
  });
}

void run_attention(const Array& q, const Array& k, const Array& v, double scale, bool causal,
                   const Array& out, const Array& lse) {
  visit_f32_f64(q.dtype(), "attention", [&](auto tag) {
    attention_typed<typename decltype(tag)::type>(q, k, v, scale, causal, out, lse);
  });
}

void run_attention_grad(const Array& q, const Array& k, const Array& v, const Array& out,
                        const Array& lse, const Array& dout, double scale, bool causal,
                        const Array& dq, const Array& dk, const Array& dv) {
  visit_f32_f64(q.dtype(), "attention_grad", [&](auto tag) {
    attention_grad_typed<typename decltype(tag)::type>(q, k, v, out, lse, dout, scale, causal, dq,
                                                       dk, dv);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_attention);
HWY_EXPORT(run_attention_grad);

namespace {

class Attention final : public AttentionFamily {
 public:
  void run(const Array& q, const Array& k, const Array& v, double scale, bool causal,
           const Array& out, const Array& lse) const override {
    HWY_DYNAMIC_DISPATCH(run_attention)(q, k, v, scale, causal, out, lse);
  }
  void grad(const Array& q, const Array& k, const Array& v, const Array& out, const Array& lse,
            const Array& dout, double scale, bool causal, const Array& dq, const Array& dk,
            const Array& dv) const override {
    HWY_DYNAMIC_DISPATCH(run_attention_grad)(q, k, v, out, lse, dout, scale, causal, dq, dk, dv);
  }
};

}  // namespace

const AttentionFamily& attention_family() {
  static const Attention family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
