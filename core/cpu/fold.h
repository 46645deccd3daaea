// Folding the middle of three dims by a function of one element, block by block.
#pragma once

#include <memory>

#include "core/array.h"
#include "core/parallel.h"

namespace tessera::cpu {

// What an element is computed in: float for the 16-bit types.
template <class T>
auto widen(T x) {
  if constexpr (std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>) {
    return static_cast<float>(x);
  } else {
    return x;
  }
}
template <class T>
using Widened = decltype(widen(T()));

// What elements are added and multiplied in: unsigned for integers, whose overflow wraps.
template <class T>
using Summed = std::conditional_t<std::is_integral_v<T>, uint64_t, Widened<T>>;

template <class T>
bool is_nan(T x) {
  return x != x;
}

// Calls fn with the tag of a floating dtype.
template <class F>
void visit_floating(const char* op, DType dtype, F&& fn) {
  TESSERA_CHECK(is_floating(dtype), "[{}] expected a floating dtype, got {}", op, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) fn(tag);
  });
}

// (outer, n, inner), row-major, and how it is cut: by shape alone.
struct FoldShape {
  // Elements of a block of one line; rows of a block of several lines side by side lie between
  // kMinRows and kMaxRows.
  static constexpr int64_t kBlock = 16384;
  static constexpr int64_t kMinRows = 64;
  static constexpr int64_t kMaxRows = 512;
  // Lines side by side that are folded together.
  static constexpr int64_t kColumns = 1024;

  explicit FoldShape(const Array& x)
      : outer(x.shape()[0]),
        n(x.shape()[1]),
        inner(x.shape()[2]),
        block(inner == 1 ? kBlock
                         : std::clamp(kBlock / std::max<int64_t>(inner, 1), kMinRows, kMaxRows)),
        blocks((n + block - 1) / block),
        columns(std::min(inner, kColumns)),
        column_tiles(columns == 0 ? 0 : (inner + columns - 1) / columns) {}

  int64_t outer;
  int64_t n;
  int64_t inner;
  int64_t block;
  int64_t blocks;
  int64_t columns;
  int64_t column_tiles;
};

// Elements [begin, end) of the line that output o is of. Lanes of their own let the compiler use
// vectors.
template <class T, class Acc, class Step, class Join>
Acc fold_line(const T* x, int64_t begin, int64_t end, int64_t o, Acc first, const Step& step,
              const Join& join) {
  constexpr int64_t kLanes = 32;
  if (end - begin < kLanes) {
    for (int64_t i = begin; i < end; ++i) first = step(first, widen(x[i]), i, o);
    return first;
  }
  Acc acc[kLanes];
  std::fill_n(acc, kLanes, first);
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) acc[l] = step(acc[l], widen(x[i + l]), i + l, o);
  }
  for (int64_t l = 0; i < end; ++i, ++l) acc[l] = step(acc[l], widen(x[i]), i, o);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t l = 0; l < width; ++l) acc[l] = join(acc[l], acc[l + width]);
  }
  return acc[0];
}

// x[begin:end, :count] of rows `stride` apart, into acc.
template <class T, class Acc, class Step>
void fold_columns(const T* x, int64_t stride, int64_t begin, int64_t end, int64_t o, int64_t count,
                  Acc first, const Step& step, Acc* acc) {
  std::fill_n(acc, count, first);
  int64_t i = begin;
  // Four rows at a time: acc is read and written once for them.
  for (; i + 4 <= end; i += 4) {
    const T* row = x + i * stride;
    for (int64_t c = 0; c < count; ++c) {
      Acc a = acc[c];
      for (int64_t r = 0; r < 4; ++r) a = step(a, widen(row[r * stride + c]), i + r, o + c);
      acc[c] = a;
    }
  }
  for (; i < end; ++i) {
    const T* row = x + i * stride;
    for (int64_t c = 0; c < count; ++c) acc[c] = step(acc[c], widen(row[c]), i, o + c);
  }
}

// Joins the accumulators of the blocks, (blocks, outputs): neighbours, level by level.
template <class Acc, class Join, class Finish>
void join_blocks(const FoldShape& shape, Acc* partial, const Join& join, const Finish& finish) {
  int64_t outputs = shape.outer * shape.inner;
  parallel_tiles(outputs, std::max<int64_t>(1, FoldShape::kBlock / shape.blocks),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t o = begin; o < end; ++o) {
                     Acc* acc = partial + o;
                     for (int64_t s = 1; s < shape.blocks; s *= 2) {
                       for (int64_t b = 0; b + s < shape.blocks; b += 2 * s) {
                         acc[b * outputs] = join(acc[b * outputs], acc[(b + s) * outputs]);
                       }
                     }
                     finish(acc[0], o);
                   }
                 });
}

// For every output o of (outer, inner): folds the blocks of its line, joins what they give level by
// level, and calls finish(acc, o). `first` is what an empty line gives.
//   line(x, begin, end, o): of elements [begin, end) of a line side by side with none.
//   columns(x, begin, end, o, count, acc): of `count` lines side by side, from o on, into acc.
template <class T, class Acc, class Line, class Columns, class Join, class Finish>
void fold_blocks(const Array& x, Acc first, const Line& line, const Columns& columns,
                 const Join& join, const Finish& finish) {
  const FoldShape shape(x);
  const T* from = x.data<T>();
  int64_t outputs = shape.outer * shape.inner;
  if (outputs == 0) return;
  if (shape.n == 0) {
    for (int64_t o = 0; o < outputs; ++o) finish(first, o);
    return;
  }
  if (shape.inner == 1 && shape.blocks == 1) {
    parallel_tiles(outputs, std::max<int64_t>(1, FoldShape::kBlock / shape.n),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t o = begin; o < end; ++o) {
                       finish(line(from + o * shape.n, 0, shape.n, o), o);
                     }
                   });
    return;
  }
  std::unique_ptr<Acc[]> partial;
  if (shape.blocks > 1) partial.reset(new Acc[static_cast<size_t>(outputs * shape.blocks)]);
  auto piece = [&](int64_t t) {
    int64_t c = t % shape.column_tiles * shape.columns;
    int64_t b = t / shape.column_tiles % shape.blocks;
    int64_t out = t / shape.column_tiles / shape.blocks;
    int64_t begin = b * shape.block;
    int64_t end = std::min(begin + shape.block, shape.n);
    int64_t count = std::min(shape.columns, shape.inner - c);
    int64_t o = out * shape.inner + c;
    const T* elements = from + out * shape.n * shape.inner + c;
    Acc acc[FoldShape::kColumns];
    if (shape.inner == 1) acc[0] = line(elements, begin, end, o);
    else columns(elements, begin, end, o, count, acc);
    if (shape.blocks == 1) {
      for (int64_t k = 0; k < count; ++k) finish(acc[k], o + k);
    } else {
      std::copy_n(acc, count, partial.get() + b * outputs + o);
    }
  };
  int64_t work = std::min(shape.block, shape.n) * shape.columns;
  parallel_tiles(shape.outer * shape.blocks * shape.column_tiles,
                 std::max<int64_t>(1, 2 * FoldShape::kBlock / work),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t t = begin; t < end; ++t) piece(t);
                 });
  if (shape.blocks > 1) join_blocks(shape, partial.get(), join, finish);
}

// The same by one function of an element: acc = first; acc = step(acc, x[.., i, ..], i, o) for each
// i. join puts two accumulators together; `first` is neutral to it.
template <class T, class Acc, class Step, class Join, class Finish>
void fold_middle(const Array& x, Acc first, const Step& step, const Join& join,
                 const Finish& finish) {
  int64_t stride = x.shape()[2];
  fold_blocks<T>(
      x, first,
      [&](const T* from, int64_t begin, int64_t end, int64_t o) {
        return fold_line(from, begin, end, o, first, step, join);
      },
      [&](const T* from, int64_t begin, int64_t end, int64_t o, int64_t count, Acc* acc) {
        fold_columns(from, stride, begin, end, o, count, first, step, acc);
      },
      join, finish);
}

}  // namespace tessera::cpu
