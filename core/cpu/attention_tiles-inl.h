// Included once per instruction set: what happens to one tile of attention's scores. Tiles are
// turned, (keys, queries): then whole vectors hold one key's scores for consecutive queries, the
// sums over keys need no step across lanes, and keys enter the products as they lie in memory.
#if defined(TESSERA_CORE_CPU_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CORE_CPU_ATTENTION_TILES_INL_H_
#undef TESSERA_CORE_CPU_ATTENTION_TILES_INL_H_
#else
#define TESSERA_CORE_CPU_ATTENTION_TILES_INL_H_
#endif

#include <limits>

#include "core/cpu/attention_memory.h"
#include "core/cpu/tile_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

template <class T>
inline constexpr T kNoScore = -std::numeric_limits<T>::infinity();

template <class T>
int64_t whole_vectors(int64_t count) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  return (count + lanes - 1) / lanes * lanes;
}

// to[d, i] = rows[i, d], with zeros for the queries that fill up the last vector.
template <class T>
void turn(const T* rows, int64_t stride, int64_t queries, int64_t width, T* to) {
  int64_t padded = whole_vectors<T>(queries);
  for (int64_t d = 0; d < width; ++d) {
    T* row = to + d * kQueries;
    for (int64_t i = 0; i < queries; ++i) row[i] = rows[i * stride + d];
    std::fill(row + queries, row + padded, T{0});
  }
}

// Hides keys after their query; `ahead` is the first key's place less the first query's.
template <class T>
void hide_later_keys(int64_t ahead, int64_t keys, T* scores) {
  for (int64_t j = 0; j < keys; ++j) {
    int64_t hidden = std::clamp<int64_t>(ahead + j, 0, kQueries);
    std::fill_n(scores + j * kQueries, hidden, kNoScore<T>);
  }
}

// The softmax of a tile of queries as it goes along the keys (Milakov and Gimelshein 2018).
template <class T>
struct RunningSoftmax {
  T largest[kQueries];
  T sum[kQueries];    // of exp(score - largest)
  T decay[kQueries];  // what earlier sums must be multiplied by since the last tile

  RunningSoftmax() {
    std::fill_n(largest, kQueries, kNoScore<T>);
    std::fill_n(sum, kQueries, T{0});
    std::fill_n(decay, kQueries, T{1});
  }
  bool decays(int64_t queries) const {
    return !std::all_of(decay, decay + queries, [](T x) { return x == T{1}; });
  }
  // Scores become exp(score - largest). A NaN among them passes by the maximum and turns up in the
  // sum. While all keys are hidden the maximum is minus infinity and zero is taken away instead.
  void fold(int64_t queries, int64_t keys, T* scores) {
    for (int64_t i = 0; i < queries; i += static_cast<int64_t>(hn::Lanes(m_.d))) {
      fold_vector(i, keys, scores + i);
    }
  }

 private:
  HWY_INLINE void fold_vector(int64_t i, int64_t keys, T* scores) {
    const Vec<T> before = hn::LoadU(m_.d, largest + i);
    Vec<T> top = before;
    Vec<T> other_top = before;
    int64_t j = 0;
    for (; j + 2 <= keys; j += 2) {
      top = hn::Max(hn::LoadU(m_.d, scores + j * kQueries), top);
      other_top = hn::Max(hn::LoadU(m_.d, scores + (j + 1) * kQueries), other_top);
    }
    if (j < keys) top = hn::Max(hn::LoadU(m_.d, scores + j * kQueries), top);
    top = hn::Max(top, other_top);
    const Vec<T> shift = m_.where(top == m_.constant(kNoScore<T>), hn::Zero(m_.d), top);
    Vec<T> total = hn::Zero(m_.d);
    for (j = 0; j < keys; ++j) {
      T* at = scores + j * kQueries;
      const Vec<T> e = m_.exp_nonpositive(hn::LoadU(m_.d, at) - shift);
      hn::StoreU(e, m_.d, at);
      total = total + e;
    }
    const Vec<T> factor = m_.exp_nonpositive(before - shift);
    hn::StoreU(hn::MulAdd(hn::LoadU(m_.d, sum + i), factor, total), m_.d, sum + i);
    hn::StoreU(factor, m_.d, decay + i);
    hn::StoreU(top, m_.d, largest + i);
  }

  VectorMath<T> m_;
};

// p = exp(scores - lse - lse_rest), over scores; ds = p (dp - delta), over dp.
template <class T>
void score_grads(int64_t queries, int64_t keys, const T* lse, const T* lse_rest, const T* delta,
                 T* scores, T* dp) {
  const VectorMath<T> m;
  for (int64_t i = 0; i < queries; i += static_cast<int64_t>(hn::Lanes(m.d))) {
    const Vec<T> shift = hn::LoadU(m.d, lse + i);
    const Vec<T> rest = hn::LoadU(m.d, lse_rest + i);
    const Vec<T> mean = hn::LoadU(m.d, delta + i);
    for (int64_t j = 0; j < keys; ++j) {
      T* p = scores + j * kQueries + i;
      T* ds = dp + j * kQueries + i;
      const Vec<T> e = m.exp_nonpositive((hn::LoadU(m.d, p) - shift) - rest);
      hn::StoreU(e, m.d, p);
      hn::StoreU(e * (hn::LoadU(m.d, ds) - mean), m.d, ds);
    }
  }
}

template <class T>
void multiply_tile(int64_t keys, const T* factors, T* tile) {
  const hn::ScalableTag<T> d;
  for_each_vector<T>(static_cast<size_t>(keys * kQueries), [&](size_t i, size_t) HWY_ATTR {
    hn::StoreU(hn::LoadU(d, tile + i) * hn::LoadU(d, factors + i), d, tile + i);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_CORE_CPU_ATTENTION_TILES_INL_H_
