#include "core/shape.h"

#include <string_view>

namespace tessera::arrays {
namespace {

Array view_of(const Array& x, Dims shape, Dims strides, int64_t offset) {
  return {x.storage(), x.dtype(), std::move(shape), std::move(strides), offset};
}

}  // namespace

Dims normalize_dims(const Dims& dims, size_t rank, std::string_view op) {
  Dims out;
  for (int64_t dim : dims) {
    auto d = static_cast<int64_t>(normalize_dim(dim, rank, op));
    TESSERA_CHECK(std::find(out.begin(), out.end(), d) == out.end(),
                  "[{}] dim {} is named twice in {}", op, d, dims);
    out.push_back(d);
  }
  return out;
}

Dims moveaxis_order(size_t rank, const Dims& from, const Dims& to) {
  TESSERA_CHECK(from.size() == to.size(),
                "[moveaxis] expected as many dims to move as places, got {} and {}", from, to);
  // Zero dims count as one.
  Dims sources = normalize_dims(from, std::max<size_t>(rank, 1), "moveaxis");
  Dims places = normalize_dims(to, std::max<size_t>(rank, 1), "moveaxis");
  if (rank == 0) return {};
  Dims order(rank, -1);
  for (size_t i = 0; i < sources.size(); ++i) order[static_cast<size_t>(places[i])] = sources[i];
  size_t next = 0;
  for (int64_t d = 0; d < static_cast<int64_t>(rank); ++d) {
    if (std::find(sources.begin(), sources.end(), d) != sources.end()) continue;
    while (order[next] != -1) ++next;
    order[next] = d;
  }
  return order;
}

Array moveaxis(const Array& x, const Dims& from, const Dims& to) {
  return x.permute(moveaxis_order(x.dim(), from, to));
}

Array unflatten(const Array& x, int64_t dim, const Dims& sizes) {
  size_t d = normalize_dim(dim, x.dim(), "unflatten");
  TESSERA_CHECK(!sizes.empty(), "[unflatten] expected at least one size, got none");
  Dims inner = infer_shape(sizes, x.shape()[d], "unflatten");
  Dims shape;
  Dims strides;
  for (size_t i = 0; i < x.dim(); ++i) {
    if (i != d) {
      shape.push_back(x.shape()[i]);
      strides.push_back(x.strides()[i]);
      continue;
    }
    Dims steps = contiguous_strides(inner);
    for (size_t j = 0; j < inner.size(); ++j) {
      shape.push_back(inner[j]);
      strides.push_back(steps[j] * x.strides()[d]);
    }
  }
  return view_of(x, std::move(shape), std::move(strides), x.offset());
}

Array narrow(const Array& x, int64_t dim, int64_t start, int64_t length) {
  size_t d = normalize_dim(dim, x.dim(), "narrow");
  int64_t size = x.shape()[d];
  TESSERA_CHECK(start >= -size && start <= size,
                "[narrow] expected a start in [{}, {}] for dim {} of shape {}, got {}", -size, size,
                d, x.shape(), start);
  if (start < 0) start += size;
  TESSERA_CHECK(length >= 0 && length <= size - start,
                "[narrow] expected a length in [0, {}] from {} of dim {} of shape {}, got {}",
                size - start, start, d, x.shape(), length);
  return x.slice(dim, start, start + length);
}

std::vector<Array> split(const Array& x, int64_t size, int64_t dim) {
  size_t d = normalize_dim(dim, x.dim(), "split");
  int64_t total = x.shape()[d];
  TESSERA_CHECK(size > 0 || (size == 0 && total == 0),
                "[split] expected a size of at least 1, got {}", size);
  std::vector<Array> out;
  int64_t at = 0;
  do {
    out.push_back(x.slice(dim, at, std::min(total, at + std::min(size, total))));
    at += size;
  } while (at < total);
  return out;
}

std::vector<Array> split(const Array& x, const Dims& sizes, int64_t dim) {
  size_t d = normalize_dim(dim, x.dim(), "split");
  std::vector<Array> out;
  int64_t at = 0;
  for (int64_t size : sizes) {
    TESSERA_CHECK(
        size >= 0 && size <= x.shape()[d] - at,
        "[split] expected sizes that add up to {}, the size of dim {} of shape {}, got {}",
        x.shape()[d], d, x.shape(), sizes);
    out.push_back(x.slice(dim, at, at + size));
    at += size;
  }
  TESSERA_CHECK(at == x.shape()[d],
                "[split] expected sizes that add up to {}, the size of dim {} of shape {}, got {}",
                x.shape()[d], d, x.shape(), sizes);
  return out;
}

int64_t chunk_size(int64_t size, int64_t count) {
  TESSERA_CHECK(count > 0, "[chunk] expected at least 1 chunk, got {}", count);
  return size / count + (size % count != 0);
}

std::vector<Array> chunk(const Array& x, int64_t count, int64_t dim) {
  int64_t size = x.shape()[normalize_dim(dim, x.dim(), "chunk")];
  int64_t piece = chunk_size(size, count);
  // As in PyTorch: an empty dim gives as many empty chunks as were asked for.
  if (piece == 0) return std::vector<Array>(static_cast<size_t>(count), x);
  return split(x, piece, dim);
}

std::vector<Array> unbind(const Array& x, int64_t dim) {
  size_t d = normalize_dim(dim, x.dim(), "unbind");
  std::vector<Array> out;
  for (int64_t i = 0; i < x.shape()[d]; ++i) out.push_back(x.select(dim, i));
  return out;
}

Array diagonal(const Array& x, int64_t offset, int64_t dim1, int64_t dim2) {
  size_t a = normalize_dim(dim1, x.dim(), "diagonal");
  size_t b = normalize_dim(dim2, x.dim(), "diagonal");
  TESSERA_CHECK(a != b, "[diagonal] expected two different dims, got {} and {}", dim1, dim2);
  int64_t rows = x.shape()[a];
  int64_t cols = x.shape()[b];
  // Clamped first: any offset is allowed, and one outside the matrix gives an empty diagonal.
  int64_t clamped = std::clamp(offset, -rows, cols);
  int64_t length = clamped >= 0 ? std::min(rows, cols - clamped) : std::min(rows + clamped, cols);
  int64_t start = clamped >= 0 ? clamped * x.strides()[b] : -clamped * x.strides()[a];
  Dims shape = x.shape();
  Dims strides = x.strides();
  int64_t step = strides[a] + strides[b];
  for (size_t d : {std::max(a, b), std::min(a, b)}) {
    shape.erase(d);
    strides.erase(d);
  }
  shape.push_back(length);
  strides.push_back(step);
  return view_of(x, std::move(shape), std::move(strides), x.offset() + (length > 0 ? start : 0));
}

Array unfold(const Array& x, int64_t dim, int64_t size, int64_t step) {
  // A zero-dimensional array unfolds as one of size 1, as in PyTorch.
  Array whole = x.dim() == 0 ? x.unsqueeze(0) : x;
  size_t d = normalize_dim(dim, whole.dim(), "unfold");
  int64_t length = whole.shape()[d];
  TESSERA_CHECK(size >= 0 && size <= length,
                "[unfold] expected a size in [0, {}] for dim {} of shape {}, got {}", length, d,
                x.shape(), size);
  TESSERA_CHECK(step > 0, "[unfold] expected a step of at least 1, got {}", step);
  Dims shape = whole.shape();
  Dims strides = whole.strides();
  shape.push_back(size);
  strides.push_back(strides[d]);
  shape[d] = (length - size) / step + 1;
  strides[d] = shape[d] > 1 ? strides[d] * step : strides[d];
  if (x.dim() == 0) {
    shape.erase(0);
    strides.erase(0);
  }
  return view_of(x, std::move(shape), std::move(strides), x.offset());
}

Array as_strided(const Array& x, const Dims& shape, const Dims& strides, int64_t offset) {
  TESSERA_CHECK(shape.size() == strides.size(),
                "[as_strided] expected as many strides as sizes, got {} and {}", strides, shape);
  TESSERA_CHECK(offset >= 0, "[as_strided] expected an offset of at least 0, got {}", offset);
  int64_t numel = num_elements(shape);
  int64_t last = offset;
  bool fits = true;
  for (size_t d = 0; d < shape.size(); ++d) {
    TESSERA_CHECK(strides[d] >= 0, "[as_strided] expected strides of at least 0, got {}", strides);
    int64_t span = 0;
    if (shape[d] == 0) continue;
    fits = fits && !__builtin_mul_overflow(shape[d] - 1, strides[d], &span) &&
           !__builtin_add_overflow(last, span, &last);
  }
  auto available = static_cast<int64_t>(x.storage()->bytes() / item_size(x.dtype()));
  TESSERA_CHECK(numel == 0 || (fits && last < available),
                "[as_strided] shape {} with strides {} and offset {} lies outside the storage of "
                "{} elements",
                shape, strides, offset, available);
  return view_of(x, shape, strides, numel == 0 ? 0 : offset);
}

Array squeeze(const Array& x) {
  Array out = x;
  for (auto d = static_cast<int64_t>(x.dim()); d-- > 0;) out = out.squeeze(d);
  return out;
}

Array squeeze(const Array& x, const Dims& dims) {
  Dims named = normalize_dims(dims, std::max<size_t>(x.dim(), 1), "squeeze");
  std::sort(named.begin(), named.end());
  Array out = x;
  for (size_t i = named.size(); i-- > 0;) out = out.squeeze(named[i]);
  return out;
}

Dims flatten_shape(const Dims& shape, int64_t start, int64_t end) {
  if (shape.empty()) {
    normalize_dim(start, 1, "flatten");
    normalize_dim(end, 1, "flatten");
    return {1};
  }
  size_t first = normalize_dim(start, shape.size(), "flatten");
  size_t last = normalize_dim(end, shape.size(), "flatten");
  TESSERA_CHECK(first <= last,
                "[flatten] expected a start that is not behind the end, got {} and {}", start, end);
  Dims out;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (d > first && d <= last) out.back() *= shape[d];
    else out.push_back(shape[d]);
  }
  return out;
}

Array flatten(const Array& x, int64_t start, int64_t end) {
  return x.reshape(flatten_shape(x.shape(), start, end));
}

}  // namespace tessera::arrays
