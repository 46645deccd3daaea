#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/register_gemm.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/math-inl.h"
#include "core/cpu/register_gemm.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Rows whose sums are in registers at a time, two vectors each: of 32 registers 16 are sums, of 16
// registers 12.
inline constexpr int64_t kSumRows = HWY_TARGET <= HWY_AVX3 ? 8 : 6;
// One pass along k: its part of a panel of b stays in the first-level cache.
inline constexpr int64_t kPass = 192;
inline constexpr size_t kMaxPanelBytes = 2 * HWY_MAX_BYTES;

// Two vectors of columns of b, `stride` numbers from one row to the next.
template <class T>
struct Panel {
  const T* data;
  int64_t stride;
};

// c (kRows, cols) = or += a (kRows, k) panel (k, 2 vectors)
template <int64_t kRows, class T>
HWY_NOINLINE void sum_block(int64_t k, MatrixView<T> a, Panel<T> b, bool accumulate, T* c,
                            int64_t ldc, size_t cols) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const size_t low = std::min(cols, lanes);
  const size_t high = cols - low;
  Vec<T> sums[kRows][2];
  for (int64_t i = 0; i < kRows; ++i) {
    sums[i][0] = accumulate ? load_lanes(c + i * ldc, low) : hn::Zero(d);
    sums[i][1] = accumulate && high > 0 ? load_lanes(c + i * ldc + lanes, high) : hn::Zero(d);
  }
  for (int64_t p = 0; p < k; ++p) {
    const Vec<T> b0 = hn::LoadU(d, b.data + p * b.stride);
    const Vec<T> b1 = hn::LoadU(d, b.data + p * b.stride + lanes);
    const T* column = a.data + p * a.col_stride;
    HWY_UNROLL(8)
    for (int64_t i = 0; i < kRows; ++i) {
      const Vec<T> factor = hn::Set(d, column[i * a.row_stride]);
      sums[i][0] = hn::MulAdd(factor, b0, sums[i][0]);
      sums[i][1] = hn::MulAdd(factor, b1, sums[i][1]);
    }
  }
  for (int64_t i = 0; i < kRows; ++i) {
    store_lanes(sums[i][0], low, c + i * ldc);
    if (high > 0) store_lanes(sums[i][1], high, c + i * ldc + lanes);
  }
}

// The last rows of c, from 1 to kMost.
template <int64_t kMost, class T>
void sum_last_rows(int64_t rows, int64_t k, MatrixView<T> a, Panel<T> b, bool accumulate, T* c,
                   int64_t ldc, size_t cols) {
  if (rows == kMost) return sum_block<kMost>(k, a, b, accumulate, c, ldc, cols);
  if constexpr (kMost > 1) sum_last_rows<kMost - 1>(rows, k, a, b, accumulate, c, ldc, cols);
}

template <class T>
void sum_rows(int64_t m, int64_t k, MatrixView<T> a, Panel<T> b, bool accumulate, T* c, int64_t ldc,
              size_t cols) {
  for (; m > kSumRows; m -= kSumRows) {
    sum_block<kSumRows>(k, a, b, accumulate, c, ldc, cols);
    a.data += kSumRows * a.row_stride;
    c += kSumRows * ldc;
  }
  sum_last_rows<kSumRows>(m, k, a, b, accumulate, c, ldc, cols);
}

// Rows of `cols` columns of b, side by side in `to` and filled up with zeros.
template <class T>
void pack_panel(int64_t k, int64_t cols, MatrixView<T> b, T* to) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t p = 0; p < k; ++p, to += 2 * lanes) {
    const T* from = b.data + p * b.row_stride;
    if (b.col_stride == 1 && cols == 2 * lanes) {
      hn::StoreU(hn::LoadU(d, from), d, to);
      hn::StoreU(hn::LoadU(d, from + lanes), d, to + lanes);
      continue;
    }
    for (int64_t j = 0; j < cols; ++j) to[j] = from[j * b.col_stride];
    std::fill(to + cols, to + 2 * lanes, T{0});
  }
}

template <class T>
void register_gemm_typed(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b,
                         bool accumulate, T* c, int64_t ldc) {
  HWY_ALIGN T packed[kPass * kMaxPanelBytes / sizeof(T)];
  const auto panel_cols = static_cast<int64_t>(2 * hn::Lanes(hn::ScalableTag<T>()));
  // A few rows cost less than packing; more of them want b's rows side by side.
  const bool few_rows = m <= 2 * kSumRows;
  for (int64_t done = 0; done < k; done += kPass) {
    int64_t depth = std::min(kPass, k - done);
    MatrixView<T> left{a.data + done * a.col_stride, a.row_stride, a.col_stride};
    for (int64_t col = 0; col < n; col += panel_cols) {
      int64_t cols = std::min(panel_cols, n - col);
      MatrixView<T> right{b.data + done * b.row_stride + col * b.col_stride, b.row_stride,
                          b.col_stride};
      Panel<T> panel{right.data, b.row_stride};
      if (b.col_stride != 1 || cols < panel_cols || !few_rows) {
        pack_panel(depth, cols, right, packed);
        panel = {packed, panel_cols};
      }
      sum_rows<T>(m, depth, left, panel, accumulate || done > 0, c + col, ldc,
                  static_cast<size_t>(cols));
    }
  }
}

void register_gemm_f32(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b,
                       bool accumulate, float* c, int64_t ldc) {
  register_gemm_typed(m, n, k, a, b, accumulate, c, ldc);
}

void register_gemm_f64(int64_t m, int64_t n, int64_t k, MatrixView<double> a, MatrixView<double> b,
                       bool accumulate, double* c, int64_t ldc) {
  register_gemm_typed(m, n, k, a, b, accumulate, c, ldc);
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(register_gemm_f32);
HWY_EXPORT(register_gemm_f64);

void register_gemm(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b,
                   bool accumulate, float* c, int64_t ldc) {
  HWY_DYNAMIC_DISPATCH(register_gemm_f32)(m, n, k, a, b, accumulate, c, ldc);
}

void register_gemm(int64_t m, int64_t n, int64_t k, MatrixView<double> a, MatrixView<double> b,
                   bool accumulate, double* c, int64_t ldc) {
  HWY_DYNAMIC_DISPATCH(register_gemm_f64)(m, n, k, a, b, accumulate, c, ldc);
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
