// Walking several strided arrays of one shape together, row by row.
#pragma once

#include <array>

#include "core/array.h"
#include "core/parallel.h"

namespace tessera::cpu {

// Elements of one tile of an elementwise kernel: large enough to hide the cost of handing it out,
// small enough for a tile's operands to stay in the second-level cache.
inline constexpr int64_t kElementwiseTile = 16384;

// N arrays of one shape as few dims as their strides allow: neighbouring dims that every array
// walks evenly are merged, sizes of 1 are dropped. There is at least one dim.
template <size_t N>
struct StridedLoop {
  Dims shape;
  std::array<Dims, N> strides;  // in elements

  explicit StridedLoop(const std::array<const Array*, N>& arrays) {
    const Dims& full = arrays[0]->shape();
    for (size_t d = 0; d < full.size(); ++d) {
      if (full[d] == 1) continue;
      if (!shape.empty() && merges(arrays, d)) {
        shape.back() *= full[d];
        for (size_t a = 0; a < N; ++a) strides[a].back() = arrays[a]->strides()[d];
      } else {
        shape.push_back(full[d]);
        for (size_t a = 0; a < N; ++a) strides[a].push_back(arrays[a]->strides()[d]);
      }
    }
    if (shape.empty()) {
      shape.push_back(1);
      for (Dims& s : strides) s.push_back(1);
    }
  }

  int64_t row_size() const { return shape.back(); }
  int64_t num_rows() const {
    int64_t rows = 1;
    for (size_t d = 0; d + 1 < shape.size(); ++d) rows *= shape[d];
    return rows;
  }
  // Where row `row` begins in each array.
  std::array<int64_t, N> row_offsets(int64_t row) const {
    std::array<int64_t, N> offsets{};
    for (size_t d = shape.size() - 1; d-- > 0;) {
      int64_t index = row % shape[d];
      row /= shape[d];
      for (size_t a = 0; a < N; ++a) offsets[a] += index * strides[a][d];
    }
    return offsets;
  }

 private:
  bool merges(const std::array<const Array*, N>& arrays, size_t d) const {
    for (size_t a = 0; a < N; ++a) {
      const Array& x = *arrays[a];
      if (strides[a].back() != x.strides()[d] * x.shape()[d]) return false;
    }
    return true;
  }
};

// Calls fn(offsets, inner_strides, count) for pieces of rows that together cover every element
// once, on the pool.
template <size_t N, class F>
void for_each_row(const std::array<const Array*, N>& arrays, F&& fn) {
  int64_t numel = arrays[0]->numel();
  if (numel == 0) return;
  // The usual small case without the walk's own cost; the pieces are those of the walk.
  if (numel <= kElementwiseTile && std::all_of(arrays.begin(), arrays.end(),
                                               [](const Array* x) { return x->is_contiguous(); })) {
    std::array<int64_t, N> ones;
    ones.fill(1);
    return fn(std::array<int64_t, N>{}, ones, numel);
  }
  StridedLoop<N> loop(arrays);
  int64_t n = loop.row_size();
  int64_t pieces = (n + kElementwiseTile - 1) / kElementwiseTile;
  int64_t rows_per_tile = std::max<int64_t>(1, kElementwiseTile / n);
  std::array<int64_t, N> inner{};
  for (size_t a = 0; a < N; ++a) inner[a] = loop.strides[a].back();
  parallel_tiles(loop.num_rows() * pieces, rows_per_tile, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t first = i % pieces * kElementwiseTile;
      std::array<int64_t, N> offsets = loop.row_offsets(i / pieces);
      for (size_t a = 0; a < N; ++a) offsets[a] += first * inner[a];
      fn(offsets, inner, std::min(kElementwiseTile, n - first));
    }
  });
}

}  // namespace tessera::cpu
