// Folding the middle of three dims by a function of one element, block by block.
#pragma once

#include <memory>

#include "core/array.h"
#include "core/cpu/row_major.h"
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

// Elements [begin, end) of `count` lines side by side, from that of output o on; `at` is the place
// of the first of them in row-major order.
struct FoldPiece {
  int64_t begin, end;
  int64_t o, count;
  int64_t at;
};

// (outer, n, inner), and how it is cut: by shape alone.
struct FoldShape {
  // Elements of a block of one line; rows of a block of several lines side by side lie between
  // kMinRows and kMaxRows.
  static constexpr int64_t kBlock = 16384;
  static constexpr int64_t kMinRows = 64;
  static constexpr int64_t kMaxRows = 512;
  // Lines side by side that are folded together.
  static constexpr int64_t kColumns = 1024;

  // x in row-major order is (outer, n, inner) where out is (outer, inner) or (outer, 1, inner).
  FoldShape(const Array& x, const Array& out)
      : outer(out.shape()[0]),
        n(out.numel() == 0 ? 0 : x.numel() / out.numel()),
        inner(out.shape().back()),
        block(inner == 1 ? kBlock
                         : std::clamp(kBlock / std::max<int64_t>(inner, 1), kMinRows, kMaxRows)),
        blocks((n + block - 1) / block),
        columns(std::min(inner, kColumns)),
        column_tiles(columns == 0 ? 0 : (inner + columns - 1) / columns) {}

  int64_t num_pieces() const { return outer * blocks * column_tiles; }
  FoldPiece piece(int64_t t) const {
    int64_t c = t % column_tiles * columns;
    int64_t row = t / column_tiles / blocks;
    int64_t begin = t / column_tiles % blocks * block;
    return {.begin = begin,
            .end = std::min(begin + block, n),
            .o = row * inner + c,
            .count = std::min(columns, inner - c),
            .at = (row * n + begin) * inner + c};
  }

  int64_t outer;
  int64_t n;
  int64_t inner;
  int64_t block;
  int64_t blocks;
  int64_t columns;
  int64_t column_tiles;
};

// Elements [begin, end), which begin at x, of the line that output o is of. Lanes of their own let
// the compiler use vectors.
template <class T, class Acc, class Step, class Join>
Acc fold_line(const T* x, int64_t begin, int64_t end, int64_t o, Acc first, const Step& step,
              const Join& join) {
  constexpr int64_t kLanes = 32;
  int64_t n = end - begin;
  if (n < kLanes) {
    for (int64_t i = 0; i < n; ++i) first = step(first, widen(x[i]), begin + i, o);
    return first;
  }
  Acc acc[kLanes];
  std::fill_n(acc, kLanes, first);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) acc[l] = step(acc[l], widen(x[i + l]), begin + i + l, o);
  }
  for (int64_t l = 0; i < n; ++i, ++l) acc[l] = step(acc[l], widen(x[i]), begin + i, o);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t l = 0; l < width; ++l) acc[l] = join(acc[l], acc[l + width]);
  }
  return acc[0];
}

// Rows [begin, end), which begin at x and are `stride` apart, of `count` elements each, into acc.
template <class T, class Acc, class Step>
void fold_columns(const T* x, int64_t stride, int64_t begin, int64_t end, int64_t o, int64_t count,
                  Acc first, const Step& step, Acc* acc) {
  std::fill_n(acc, count, first);
  int64_t i = begin;
  const T* row = x;
  // Four rows at a time: acc is read and written once for them.
  for (; i + 4 <= end; i += 4, row += 4 * stride) {
    for (int64_t c = 0; c < count; ++c) {
      Acc a = acc[c];
      for (int64_t r = 0; r < 4; ++r) a = step(a, widen(row[r * stride + c]), i + r, o + c);
      acc[c] = a;
    }
  }
  for (; i < end; ++i, row += stride) {
    for (int64_t c = 0; c < count; ++c) acc[c] = step(acc[c], widen(row[c]), i, o + c);
  }
}

// What one op does with elements of type T, which it gathers in an Acc for each output. The driver
// below is compiled for each pair of types, not for each op.
template <class T, class Acc>
class Folder {
 public:
  // acc[k] = elements [begin, end) of line o + k. The lines lie side by side with none, one after
  // the other from `from` on.
  virtual void fold_lines(const T* from, int64_t begin, int64_t end, int64_t o, int64_t count,
                          Acc* acc) const = 0;
  // acc[k] = rows [begin, end) of line o + k, of `count` lines side by side. Rows are `stride`
  // apart.
  virtual void fold_columns(const T* from, int64_t stride, int64_t begin, int64_t end, int64_t o,
                            int64_t count, Acc* acc) const = 0;
  // Puts what right[k] has gathered behind acc[k].
  virtual void join(Acc* acc, const Acc* right, int64_t count) const = 0;
  // Stores acc[k] as output o + k.
  virtual void finish(const Acc* acc, int64_t o, int64_t count) const = 0;

 protected:
  Folder() = default;
  ~Folder() = default;
  Folder(const Folder&) = default;
  Folder& operator=(const Folder&) = default;
};

// Joins the accumulators of the blocks, (blocks, outputs): neighbours, level by level.
template <class T, class Acc>
void join_blocks(const Folder<T, Acc>& folder, const FoldShape& shape, Acc* partial) {
  int64_t outputs = shape.outer * shape.inner;
  parallel_tiles(outputs, std::max<int64_t>(1, FoldShape::kBlock / shape.blocks),
                 [&](int64_t begin, int64_t end) {
                   Acc* acc = partial + begin;
                   for (int64_t s = 1; s < shape.blocks; s *= 2) {
                     for (int64_t b = 0; b + s < shape.blocks; b += 2 * s) {
                       folder.join(acc + b * outputs, acc + (b + s) * outputs, end - begin);
                     }
                   }
                   folder.finish(acc, begin, end - begin);
                 });
}

// fold_by for lines of one block with none side by side.
template <class T, class Acc>
void fold_short_lines(const Folder<T, Acc>& folder, const FoldShape& shape,
                      const RowMajor<T>& elements) {
  int64_t n = shape.n;
  int64_t tile = std::max<int64_t>(1, FoldShape::kBlock / n);
  int64_t together = std::min(tile, FoldShape::kColumns);
  parallel_tiles(shape.outer, tile, [&](int64_t begin, int64_t end) {
    std::unique_ptr<T[]> scratch = scratch_of<T>(elements.in_place() ? 0 : together * n);
    Acc acc[FoldShape::kColumns];
    for (int64_t o = begin; o < end; o += together) {
      int64_t count = std::min(together, end - o);
      folder.fold_lines(elements.read(o * n, count * n, scratch.get()), 0, n, o, count, acc);
      folder.finish(acc, o, count);
    }
  });
}

// For every output o of (outer, inner): folds the blocks of its line, joins what they give level by
// level, and finishes it. `first` is what an empty line gives.
template <class T, class Acc>
void fold_by(const Folder<T, Acc>& folder, const Array& x, const Array& out, Acc first) {
  const FoldShape shape(x, out);
  int64_t outputs = shape.outer * shape.inner;
  if (outputs == 0) return;
  if (shape.n == 0) {
    for (int64_t o = 0; o < outputs; ++o) folder.finish(&first, o, 1);
    return;
  }
  const RowMajor<T> elements(x);
  if (shape.inner == 1 && shape.blocks == 1) return fold_short_lines(folder, shape, elements);
  std::unique_ptr<Acc[]> partial;
  if (shape.blocks > 1) partial.reset(new Acc[static_cast<size_t>(outputs * shape.blocks)]);
  int64_t block = std::min(shape.block, shape.n);
  int64_t scratch_size = elements.in_place() ? 0 : block * shape.columns;
  auto run = [&](const FoldPiece& p, T* scratch) {
    Acc acc[FoldShape::kColumns];
    if (shape.inner == 1) {
      const T* from = elements.read(p.at, p.end - p.begin, scratch);
      folder.fold_lines(from, p.begin, p.end, p.o, 1, acc);
    } else if (elements.in_place()) {
      const T* from = elements.read(p.at, 0, nullptr);
      folder.fold_columns(from, shape.inner, p.begin, p.end, p.o, p.count, acc);
    } else {
      elements.copy_rows(p.at, p.end - p.begin, shape.inner, p.count, scratch);
      folder.fold_columns(scratch, p.count, p.begin, p.end, p.o, p.count, acc);
    }
    if (shape.blocks == 1) folder.finish(acc, p.o, p.count);
    else std::copy_n(acc, p.count, partial.get() + p.begin / shape.block * outputs + p.o);
  };
  parallel_tiles(shape.num_pieces(),
                 std::max<int64_t>(1, 2 * FoldShape::kBlock / (block * shape.columns)),
                 [&](int64_t begin, int64_t end) {
                   std::unique_ptr<T[]> scratch = scratch_of<T>(scratch_size);
                   for (int64_t t = begin; t < end; ++t) run(shape.piece(t), scratch.get());
                 });
  if (shape.blocks > 1) join_blocks(folder, shape, partial.get());
}

// A folder of functions:
//   line(from, begin, end, o): what elements [begin, end) of one line give
//   columns: Folder::fold_columns
//   join(a, b): of two accumulators
//   finish(acc, o)
template <class T, class Acc, class Line, class Columns, class Join, class Finish>
class FolderOf final : public Folder<T, Acc> {
 public:
  FolderOf(const Line& line, const Columns& columns, const Join& join, const Finish& finish)
      : line_(line), columns_(columns), join_(join), finish_(finish) {}
  void fold_lines(const T* from, int64_t begin, int64_t end, int64_t o, int64_t count,
                  Acc* acc) const override {
    for (int64_t k = 0; k < count; ++k, from += end - begin)
      acc[k] = line_(from, begin, end, o + k);
  }
  void fold_columns(const T* from, int64_t stride, int64_t begin, int64_t end, int64_t o,
                    int64_t count, Acc* acc) const override {
    columns_(from, stride, begin, end, o, count, acc);
  }
  void join(Acc* acc, const Acc* right, int64_t count) const override {
    for (int64_t k = 0; k < count; ++k) acc[k] = join_(acc[k], right[k]);
  }
  void finish(const Acc* acc, int64_t o, int64_t count) const override {
    for (int64_t k = 0; k < count; ++k) finish_(acc[k], o + k);
  }

 private:
  const Line& line_;
  const Columns& columns_;
  const Join& join_;
  const Finish& finish_;
};

template <class T, class Acc, class Line, class Columns, class Join, class Finish>
void fold_blocks(const Array& x, const Array& out, Acc first, const Line& line,
                 const Columns& columns, const Join& join, const Finish& finish) {
  fold_by(FolderOf<T, Acc, Line, Columns, Join, Finish>(line, columns, join, finish), x, out,
          first);
}

// By one function of an element: acc = first; acc = step(acc, x[.., i, ..], i, o) for each
// i. join puts two accumulators together; `first` is neutral to it.
template <class T, class Acc, class Step, class Join, class Finish>
void fold_middle(const Array& x, const Array& out, Acc first, const Step& step, const Join& join,
                 const Finish& finish) {
  fold_blocks<T>(
      x, out, first,
      [&](const T* from, int64_t begin, int64_t end, int64_t o) {
        return fold_line(from, begin, end, o, first, step, join);
      },
      [&](const T* from, int64_t stride, int64_t begin, int64_t end, int64_t o, int64_t count,
          Acc* acc) { fold_columns(from, stride, begin, end, o, count, first, step, acc); },
      join, finish);
}

}  // namespace tessera::cpu
