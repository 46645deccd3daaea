#include "core/kernels/index.h"
#include "core/array.h"

#include <atomic>

#include "core/cpu/cpu.h"
#include "core/cpu/strided.h"

namespace tessera::cpu {
namespace {

// Elements of one tile: a multiple of a cache line of every dtype.
constexpr int64_t kIndexTile = 16384;
// Rows of at least this many elements are shared among threads by their columns.
constexpr int64_t kWideRow = 256;

// Calls fn(TypeTag<T>{}) with an unsigned type of the dtype's size: enough to move elements.
template <class F>
void visit_size(DType dtype, F&& fn) {
  switch (item_size(dtype)) {
    case 1: return fn(TypeTag<uint8_t>{});
    case 2: return fn(TypeTag<uint16_t>{});
    case 4: return fn(TypeTag<uint32_t>{});
    default: return fn(TypeTag<uint64_t>{});
  }
}

// index in row-major order with all entries in [0, size).
Array checked_index(const char* op, const Array& index, int64_t size) {
  TESSERA_CHECK(index.dtype() == DType::i64, "[{}] expected an index of i64, got {}", op,
                index.dtype());
  Array out = Array::empty(index.shape(), DType::i64, index.device());
  Array packed = index.contiguous();
  const auto* from = packed.data<int64_t>();
  auto* to = out.data<int64_t>();
  std::atomic<int64_t> first_bad{INT64_MAX};
  parallel_tiles(index.numel(), kIndexTile, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t at = from[i];
      if (at < -size || at >= size) {
        int64_t seen = first_bad.load();
        while (i < seen && !first_bad.compare_exchange_weak(seen, i)) {
        }
        return;
      }
      to[i] = at < 0 ? at + size : at;
    }
  });
  int64_t bad = first_bad.load();
  TESSERA_CHECK(bad == INT64_MAX, "[{}] expected an index in [{}, {}), got {} at {} of {}", op,
                -size, size, from[bad], bad, index.shape());
  return out;
}

// Where element i (row-major) of a shape lies.
std::vector<int64_t> element_offsets(const Dims& shape, const int64_t* strides) {
  std::vector<int64_t> offsets{0};
  offsets.reserve(static_cast<size_t>(num_elements(shape)));
  for (size_t d = shape.size(); d-- > 0;) {
    std::vector<int64_t> inner = std::move(offsets);
    offsets = {};
    offsets.reserve(inner.size() * static_cast<size_t>(shape[d]));
    for (int64_t i = 0; i < shape[d]; ++i) {
      for (int64_t at : inner) offsets.push_back(at + i * strides[d]);
    }
  }
  return offsets;
}

// Where the rows that the indices name begin in source.
std::vector<int64_t> row_offsets(const char* op, const Array& source,
                                 std::span<const Array> indices) {
  std::vector<int64_t> offsets(static_cast<size_t>(indices[0].numel()));
  for (size_t k = 0; k < indices.size(); ++k) {
    Array index = checked_index(op, indices[k], source.shape()[k]);
    const auto* at = index.data<int64_t>();
    int64_t stride = source.strides()[k];
    for (size_t i = 0; i < offsets.size(); ++i) offsets[i] += at[i] * stride;
  }
  return offsets;
}

// The first element of the leading `count` dims.
Array rest_of(Array x, size_t count) {
  for (size_t i = 0; i < count; ++i) x = x.select(0, 0);
  return x;
}

// x of index's sizes with `dim` standing still: where the index's elements point from.
Array line_starts(const Array& x, size_t dim, const Dims& shape) {
  Dims strides = x.strides();
  strides[dim] = 0;
  return {x.storage(), x.dtype(), shape, strides, x.offset()};
}

template <ScatterOp how, class T>
void combine(T& to, T value) {
  if constexpr (how == ScatterOp::assign) {
    to = value;
  } else if constexpr (how == ScatterOp::minimum) {
    if (value < to || value != value) to = value;
  } else if constexpr (how == ScatterOp::maximum) {
    if (value > to || value != value) to = value;
  } else if constexpr (std::is_same_v<T, bool>) {
    to = how == ScatterOp::add ? to || value : to && value;
  } else if constexpr (std::is_integral_v<T>) {
    // Without signs an overflow wraps around.
    using U = std::make_unsigned_t<T>;
    auto a = static_cast<U>(to);
    auto b = static_cast<U>(value);
    to = static_cast<T>(how == ScatterOp::add ? a + b : a * b);
  } else if constexpr (how == ScatterOp::add) {
    to += value;
  } else {
    to *= value;
  }
}

// Calls fn.operator()<how, T>() for the operation and the dtype, which is no 16-bit float.
template <class F>
void visit_scatter(ScatterOp how, DType dtype, F&& fn) {
  if (how == ScatterOp::assign) {
    visit_size(dtype, [&](auto tag) {
      fn.template operator()<ScatterOp::assign, typename decltype(tag)::type>();
    });
    return;
  }
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, BFloat16> && !std::is_same_v<T, Float16>) {
      switch (how) {
        case ScatterOp::add: return fn.template operator()<ScatterOp::add, T>();
        case ScatterOp::multiply: return fn.template operator()<ScatterOp::multiply, T>();
        case ScatterOp::minimum: return fn.template operator()<ScatterOp::minimum, T>();
        default: return fn.template operator()<ScatterOp::maximum, T>();
      }
    }
  });
}

bool combines_in_f32(ScatterOp how, DType dtype) {
  return how != ScatterOp::assign && (dtype == DType::bf16 || dtype == DType::f16);
}

template <class T>
T* elements(const Array& x) {
  return static_cast<T*>(x.raw());
}

// One row of the rest, `count` elements.
template <ScatterOp how, class T>
void put_row(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t count) {
  if (from_stride == 1 && to_stride == 1) {
    for (int64_t j = 0; j < count; ++j) combine<how>(to[j], from[j]);
  } else {
    for (int64_t j = 0; j < count; ++j) combine<how>(to[j * to_stride], from[j * from_stride]);
  }
}

// to[to_at[b] + rest] <- from[from_at[b] + rest] for every b in order.
template <ScatterOp how, class T>
void put_rows(const T* from, const std::vector<int64_t>& from_at, T* to,
              const std::vector<int64_t>& to_at, const StridedLoop<2>& rest) {
  int64_t n = rest.row_size();
  int64_t rows = rest.num_rows();
  int64_t from_stride = rest.strides[0].back();
  int64_t to_stride = rest.strides[1].back();
  if (n * rows >= kWideRow) {
    // Threads share the columns: each column's values arrive in order.
    int64_t pieces = (n + 1023) / 1024;
    parallel_for(pieces * rows, [&](int64_t tile) {
      auto row = rest.row_offsets(tile / pieces);
      int64_t first = tile % pieces * 1024;
      int64_t count = std::min<int64_t>(1024, n - first);
      for (size_t b = 0; b < to_at.size(); ++b) {
        put_row<how>(from + from_at[b] + row[0] + first * from_stride, from_stride,
                     to + to_at[b] + row[1] + first * to_stride, to_stride, count);
      }
    });
    return;
  }
  // Threads share the targets: each takes the rows that begin in its range, in order.
  auto [low, high] = std::minmax_element(to_at.begin(), to_at.end());
  int64_t parts = static_cast<int64_t>(to_at.size()) * n * rows < kIndexTile ? 1 : num_threads();
  int64_t width = (*high - *low) / parts + 1;
  parallel_for(parts, [&, first = *low](int64_t part) {
    int64_t begin = first + part * width;
    for (size_t b = 0; b < to_at.size(); ++b) {
      if (to_at[b] < begin || to_at[b] - begin >= width) continue;
      for (int64_t r = 0; r < rows; ++r) {
        auto row = rest.row_offsets(r);
        put_row<how>(from + from_at[b] + row[0], from_stride, to + to_at[b] + row[1], to_stride, n);
      }
    }
  });
}

// One tile of scatter: lines `count` of them, each with n entries along dim.
struct Lines {
  int64_t n;
  int64_t count;
  int64_t target_step;                 // along dim
  std::array<int64_t, 3> dim_strides;  // of index, source, target's line starts, along dim
  std::array<int64_t, 3> strides;      // from line to line
};

template <ScatterOp how, class T>
void scatter_lines(const Lines& lines, const int64_t* index, const T* source, T* target) {
  auto entry = [&](int64_t i, int64_t j) {
    int64_t at = index[i * lines.dim_strides[0] + j * lines.strides[0]];
    combine<how>(target[at * lines.target_step + j * lines.strides[2]],
                 source[i * lines.dim_strides[1] + j * lines.strides[1]]);
  };
  // Whichever is nearer in memory runs inside; a target's own values arrive in the order of i.
  if (lines.dim_strides[0] < lines.strides[0]) {
    for (int64_t j = 0; j < lines.count; ++j) {
      for (int64_t i = 0; i < lines.n; ++i) entry(i, j);
    }
  } else {
    for (int64_t i = 0; i < lines.n; ++i) {
      for (int64_t j = 0; j < lines.count; ++j) entry(i, j);
    }
  }
}

// Whether each element is not zero, as bytes.
Array nonzero_bytes(const Array& x) {
  Array out = Array::empty(x.shape(), DType::u8, x.device());
  if (x.dtype() == DType::boolean || x.dtype() == DType::u8) {
    // Memory that nobody has written need not hold a valid bool.
    Array bytes(x.storage(), DType::u8, x.shape(), x.strides(), x.offset());
    out.copy_(bytes);
    return out;
  }
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = x.data<T>();
    auto* to = out.data<uint8_t>();
    for_each_row<2>({&x, &out}, [&](const auto& at, const auto& stride, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        to[at[1] + i * stride[1]] = convert<bool>(from[at[0] + i * stride[0]]);
      }
    });
  });
  return out;
}

// How many bytes are set before each block of kIndexTile; one entry more than there are blocks.
std::vector<int64_t> counts_before(const Array& bytes) {
  int64_t blocks = (bytes.numel() + kIndexTile - 1) / kIndexTile;
  std::vector<int64_t> before(static_cast<size_t>(blocks) + 1);
  const auto* set = bytes.data<uint8_t>();
  parallel_tiles(bytes.numel(), kIndexTile, [&](int64_t begin, int64_t end) {
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i) count += set[i] != 0;
    before[static_cast<size_t>(begin / kIndexTile) + 1] = count;
  });
  for (size_t i = 1; i < before.size(); ++i) before[i] += before[i - 1];
  return before;
}

// Calls fn(i, k) for the k-th set byte, i.
template <class F>
void for_each_set(const Array& bytes, F&& fn) {
  std::vector<int64_t> before = counts_before(bytes);
  const auto* set = bytes.data<uint8_t>();
  parallel_tiles(bytes.numel(), kIndexTile, [&](int64_t begin, int64_t end) {
    int64_t k = before[static_cast<size_t>(begin / kIndexTile)];
    for (int64_t i = begin; i < end; ++i) {
      if (set[i]) fn(i, k++);
    }
  });
}

class Index final : public IndexFamily {
 public:
  void gather(const char* op, const Array& source, size_t dim, const Array& index,
              const Array& out) const override {
    Array at = checked_index(op, index, source.shape()[dim]);
    if (at.numel() == 0) return;
    Array starts = line_starts(source, dim, at.shape());
    int64_t step = source.strides()[dim];
    const auto* where = at.data<int64_t>();
    visit_size(source.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = elements<T>(source);
      T* to = elements<T>(out);
      for_each_row<3>({&at, &starts, &out}, [&](const auto& o, const auto& s, int64_t count) {
        for (int64_t j = 0; j < count; ++j) {
          to[o[2] + j * s[2]] = from[o[1] + j * s[1] + where[o[0] + j * s[0]] * step];
        }
      });
    });
  }

  void scatter(const char* op, ScatterOp how, const Array& source, size_t dim, const Array& index,
               const Array& target) const override {
    if (combines_in_f32(how, target.dtype())) {
      Array sums = target.to(DType::f32);
      scatter(op, how, source.to(DType::f32), dim, index, sums);
      target.copy_(sums);
      return;
    }
    Array at = checked_index(op, index, target.shape()[dim]);
    if (at.numel() == 0) return;
    Array from(source.storage(), source.dtype(), at.shape(), source.strides(), source.offset());
    Array starts = line_starts(target, dim, at.shape());
    auto d = static_cast<int64_t>(dim);
    Array first_at = at.select(d, 0);
    Array first_from = from.select(d, 0);
    Array first_start = starts.select(d, 0);
    StridedLoop<3> loop({&first_at, &first_from, &first_start});
    Lines lines{at.shape()[dim],
                0,
                target.strides()[dim],
                {at.strides()[dim], from.strides()[dim], 0},
                {loop.strides[0].back(), loop.strides[1].back(), loop.strides[2].back()}};
    int64_t piece = std::max<int64_t>(1, kIndexTile / lines.n);
    int64_t pieces = (loop.row_size() + piece - 1) / piece;
    visit_scatter(how, target.dtype(), [&]<ScatterOp op_how, class T>() {
      parallel_for(loop.num_rows() * pieces, [&](int64_t tile) {
        auto o = loop.row_offsets(tile / pieces);
        int64_t first = tile % pieces * piece;
        for (size_t a = 0; a < 3; ++a) o[a] += first * lines.strides[a];
        Lines own = lines;
        own.count = std::min(piece, loop.row_size() - first);
        scatter_lines<op_how, T>(own, at.data<int64_t>() + o[0], elements<T>(source) + o[1],
                                 elements<T>(target) + o[2]);
      });
    });
  }

  void take(const char* op, const Array& source, std::span<const Array> indices,
            const Array& out) const override {
    std::vector<int64_t> from_at = row_offsets(op, source, indices);
    if (out.numel() == 0) return;
    std::vector<int64_t> to_at = element_offsets(indices[0].shape(), out.strides().data());
    Array from_rest = rest_of(source, indices.size());
    Array to_rest = rest_of(out, indices[0].dim());
    StridedLoop<2> rest({&from_rest, &to_rest});
    int64_t n = rest.row_size();
    int64_t rows = rest.num_rows();
    visit_size(source.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = elements<T>(source);
      T* to = elements<T>(out);
      int64_t per_tile = std::max<int64_t>(1, kIndexTile / n);
      auto total = static_cast<int64_t>(to_at.size()) * rows;
      parallel_tiles(total, per_tile, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          auto b = static_cast<size_t>(i / rows);
          auto row = rest.row_offsets(i % rows);
          put_row<ScatterOp::assign>(from + from_at[b] + row[0], rest.strides[0].back(),
                                     to + to_at[b] + row[1], rest.strides[1].back(), n);
        }
      });
    });
  }

  void put(const char* op, ScatterOp how, const Array& values, std::span<const Array> indices,
           const Array& target) const override {
    if (combines_in_f32(how, target.dtype())) {
      Array sums = target.to(DType::f32);
      put(op, how, values.to(DType::f32), indices, sums);
      target.copy_(sums);
      return;
    }
    std::vector<int64_t> to_at = row_offsets(op, target, indices);
    if (values.numel() == 0) return;
    std::vector<int64_t> from_at = element_offsets(indices[0].shape(), values.strides().data());
    Array from_rest = rest_of(values, indices[0].dim());
    Array to_rest = rest_of(target, indices.size());
    StridedLoop<2> rest({&from_rest, &to_rest});
    visit_scatter(how, target.dtype(), [&]<ScatterOp op_how, class T>() {
      put_rows<op_how, T>(elements<T>(values), from_at, elements<T>(target), to_at, rest);
    });
  }

  void nonzero(const Array& x, const Array& out) const override {
    auto* to = out.data<int64_t>();
    auto dim = static_cast<int64_t>(x.dim());
    for_each_set(nonzero_bytes(x), [&](int64_t i, int64_t k) {
      for (int64_t d = dim; d-- > 0;) {
        int64_t size = x.shape()[static_cast<size_t>(d)];
        to[k * dim + d] = i % size;
        i /= size;
      }
    });
  }

  void masked_select(const Array& x, const Array& mask, const Array& out) const override {
    Array packed = x.contiguous();
    visit_size(x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = elements<T>(packed);
      T* to = elements<T>(out);
      for_each_set(nonzero_bytes(mask), [&](int64_t i, int64_t k) { to[k] = from[i]; });
    });
  }
};

}  // namespace

const IndexFamily& index_family() {
  static const Index family;
  return family;
}

}  // namespace tessera::cpu
