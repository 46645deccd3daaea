#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/reduce.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/row_major.h"
#include "core/cpu/rows-inl.h"
#include "core/kernels/reduce.h"
#include "core/parallel.h"
#include "core/tree.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// A long row is summed in blocks of this many elements, then over the blocks.
inline constexpr int64_t kRowBlock = 16384;
// Columns are summed in blocks of this many rows, then over the blocks.
inline constexpr int64_t kColumnBlock = 64;
inline constexpr int64_t kSquareChunk = 256;

template <class T>
void sum_rows_typed(const Array& x, const Array& out) {
  int64_t rows = out.numel();
  if (rows == 0) return;
  int64_t cols = x.numel() / rows;
  const RowMajor<T> from(x);
  int64_t scratch_size = from.in_place() ? 0 : std::min(cols, kRowBlock);
  T* to = out.data<T>();
  if (cols <= kRowBlock) {
    parallel_tiles(rows, std::max<int64_t>(1, kRowBlock / std::max<int64_t>(cols, 1)),
                   [&](int64_t begin, int64_t end) {
                     std::unique_ptr<T[]> scratch = scratch_of<T>(scratch_size);
                     for (int64_t i = begin; i < end; ++i) {
                       to[i] = row_sum(from.read(i * cols, cols, scratch.get()),
                                       static_cast<size_t>(cols));
                     }
                   });
    return;
  }
  int64_t blocks = (cols + kRowBlock - 1) / kRowBlock;
  Array partial = Array::empty({rows, blocks}, x.dtype());
  T* pieces = partial.data<T>();
  parallel_for(rows * blocks, [&](int64_t t) {
    std::unique_ptr<T[]> scratch = scratch_of<T>(scratch_size);
    int64_t begin = t % blocks * kRowBlock;
    int64_t count = std::min(kRowBlock, cols - begin);
    pieces[t] = row_sum(from.read(t / blocks * cols + begin, count, scratch.get()),
                        static_cast<size_t>(count));
  });
  sum_rows_typed<T>(partial, out);
}

template <class T>
void sum_columns_typed(const Array& x, const Array& out) {
  int64_t cols = out.numel();
  if (cols == 0) return;
  int64_t rows = x.numel() / cols;
  const RowMajor<T> from(x);
  int64_t scratch_size = from.in_place() ? 0 : cols;
  T* to = out.data<T>();
  int64_t blocks = (rows + kColumnBlock - 1) / kColumnBlock;
  if (blocks <= 1) {
    std::unique_ptr<T[]> scratch = scratch_of<T>(scratch_size);
    std::fill_n(to, cols, T{0});
    for (int64_t i = 0; i < rows; ++i) {
      add_row(from.read(i * cols, cols, scratch.get()), to, static_cast<size_t>(cols));
    }
    return;
  }
  Array partial = Array::empty({blocks, cols}, x.dtype());
  T* sums = partial.data<T>();
  parallel_for(blocks, [&](int64_t b) {
    std::unique_ptr<T[]> scratch = scratch_of<T>(scratch_size);
    T* sum = sums + b * cols;
    int64_t first = b * kColumnBlock;
    std::copy_n(from.read(first * cols, cols, scratch.get()), cols, sum);
    for (int64_t i = first + 1; i < std::min(first + kColumnBlock, rows); ++i) {
      add_row(from.read(i * cols, cols, scratch.get()), sum, static_cast<size_t>(cols));
    }
  });
  sum_columns_typed<T>(partial, out);
}

template <class T>
void square_sums_typed(const Array& x, const Array& out) {
  const T* from = x.data<T>();
  auto* to = out.data<double>();
  const hn::ScalableTag<double> d;
  const hn::Rebind<T, decltype(d)> narrow;
  parallel_tiles(x.numel(), kSquareChunk * 64, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t chunk = begin; chunk < end; chunk += kSquareChunk) {
      auto count = static_cast<size_t>(std::min(kSquareChunk, end - chunk));
      to[chunk / kSquareChunk] = sum_of<double>(count, [&](size_t i, size_t lanes) HWY_ATTR {
        Vec<double> v;
        if constexpr (sizeof(T) == 8) {
          v = load_lanes(from + chunk + i, lanes);
        } else {
          v = hn::PromoteTo(d, load_first(narrow, from + chunk + i, lanes));
        }
        return v * v;
      });
    }
  });
}

void run_sum_rows(const Array& x, const Array& out) {
  visit_f32_f64(x.dtype(), "sum_rows",
                [&](auto tag) { sum_rows_typed<typename decltype(tag)::type>(x, out); });
}

void run_sum_columns(const Array& x, const Array& out) {
  visit_f32_f64(x.dtype(), "sum_columns",
                [&](auto tag) { sum_columns_typed<typename decltype(tag)::type>(x, out); });
}

void run_square_sums(const Array& x, const Array& out) {
  visit_f32_f64(x.dtype(), "chunk_square_sums",
                [&](auto tag) { square_sums_typed<typename decltype(tag)::type>(x, out); });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_sum_rows);
HWY_EXPORT(run_sum_columns);
HWY_EXPORT(run_square_sums);

namespace {

class Reduce final : public ReduceFamily {
 public:
  void sum_rows(const Array& x, const Array& out) const override {
    HWY_DYNAMIC_DISPATCH(run_sum_rows)(x, out);
  }
  void sum_columns(const Array& x, const Array& out) const override {
    HWY_DYNAMIC_DISPATCH(run_sum_columns)(x, out);
  }
  void chunk_square_sums(const Array& x, const Array& out) const override {
    HWY_DYNAMIC_DISPATCH(run_square_sums)(x, out);
  }
  void tree_sum(const Array& x, const Array& out) const override {
    *out.data<double>() = tessera::tree_sum({x.data<double>(), static_cast<size_t>(x.numel())});
  }
};

}  // namespace

const ReduceFamily& reduce_family() {
  static const Reduce family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
