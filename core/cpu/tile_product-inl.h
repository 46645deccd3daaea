// Included once per instruction set: matrix products of tiles small enough for the first two
// caches. Unlike gemm.h's they cost no call of a library, and any tile may be turned.
#if defined(TESSERA_CORE_CPU_TILE_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CORE_CPU_TILE_PRODUCT_INL_H_
#undef TESSERA_CORE_CPU_TILE_PRODUCT_INL_H_
#else
#define TESSERA_CORE_CPU_TILE_PRODUCT_INL_H_
#endif

#include "core/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// A matrix in memory with its rows `stride` apart. For the left side of a product, kTurned says
// that memory holds its transpose.
template <class T, bool kTurned = false>
struct Left {
  const T* data;
  int64_t stride;
  const T* row(int64_t i) const { return kTurned ? data + i : data + i * stride; }
};

// kRows rows by kVectors vectors of c, held in registers while k runs.
template <size_t kRows, size_t kVectors, class T, bool kTurned>
HWY_INLINE void product_block(int64_t k, Left<T, kTurned> a, const T* b, int64_t b_stride,
                              bool accumulate, T* c, int64_t c_stride) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  Vec<T> sums[kRows][kVectors];
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  for (int64_t p = 0; p < k; ++p) {
    Vec<T> right[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      right[v] = hn::LoadU(d, b + p * b_stride + static_cast<int64_t>(v) * lanes);
    }
    for (size_t i = 0; i < kRows; ++i) {
      auto row = static_cast<int64_t>(i);
      const Vec<T> left =
          hn::Set(d, kTurned ? a.data[p * a.stride + row] : a.data[row * a.stride + p]);
      for (size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(left, right[v], sums[i][v]);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVectors; ++v) {
      T* to = c + static_cast<int64_t>(i) * c_stride + static_cast<int64_t>(v) * lanes;
      hn::StoreU(accumulate ? sums[i][v] + hn::LoadU(d, to) : sums[i][v], d, to);
    }
  }
}

// The rows from i on that are a multiple of kRows; returns where they end.
template <size_t kRows, size_t kVectors, class T, bool kTurned>
HWY_INLINE int64_t product_rows(int64_t i, int64_t m, int64_t k, Left<T, kTurned> a, const T* b,
                                int64_t b_stride, bool accumulate, T* c, int64_t c_stride) {
  constexpr auto kStep = static_cast<int64_t>(kRows);
  for (; i + kStep <= m; i += kStep) {
    product_block<kRows, kVectors>(k, Left<T, kTurned>{a.row(i), a.stride}, b, b_stride, accumulate,
                                   c + i * c_stride, c_stride);
  }
  return i;
}

// Six rows by two vectors keep twelve sums in flight, enough to hide the latency of a multiply-add,
// and fit sixteen registers.
template <size_t kVectors, class T, bool kTurned>
void product_columns(int64_t m, int64_t k, Left<T, kTurned> a, const T* b, int64_t b_stride,
                     bool accumulate, T* c, int64_t c_stride) {
  int64_t i = product_rows<6, kVectors>(0, m, k, a, b, b_stride, accumulate, c, c_stride);
  i = product_rows<4, kVectors>(i, m, k, a, b, b_stride, accumulate, c, c_stride);
  i = product_rows<2, kVectors>(i, m, k, a, b, b_stride, accumulate, c, c_stride);
  product_rows<1, kVectors>(i, m, k, a, b, b_stride, accumulate, c, c_stride);
}

// c = a b, or c += a b: a is (m, k), b (k, n), c (m, n), where n is a whole number of vectors. The
// order of additions depends on k alone.
template <class T, bool kTurned>
void tile_product(int64_t m, int64_t n, int64_t k, Left<T, kTurned> a, const T* b, int64_t b_stride,
                  bool accumulate, T* c, int64_t c_stride) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  int64_t j = 0;
  for (; j + 2 * lanes <= n; j += 2 * lanes) {
    product_columns<2>(m, k, a, b + j, b_stride, accumulate, c + j, c_stride);
  }
  if (j < n) product_columns<1>(m, k, a, b + j, b_stride, accumulate, c + j, c_stride);
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_CORE_CPU_TILE_PRODUCT_INL_H_
