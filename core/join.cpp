// The copies of core/shape.h.
#include <numeric>

#include "core/creation.h"
#include "core/kernels.h"
#include "core/kernels/index.h"
#include "core/promotion.h"
#include "core/shape.h"

namespace tessera::arrays {
namespace {

// out[..., r, ...] keeps the columns [begin(r), end(r)) of each row r and is zero elsewhere.
template <class Columns>
Array keep_columns(const char* op, const Array& x, Columns columns) {
  TESSERA_CHECK(x.dim() >= 2, "[{}] expected at least two dims, got shape {}", op, x.shape());
  Array out = Array::zeros(x.shape(), x.dtype(), x.device());
  for (int64_t r = 0; r < x.size(-2); ++r) {
    auto [begin, end] = columns(r);
    if (begin >= end) continue;
    out.select(-2, r).slice(-1, begin, end).copy_(x.select(-2, r).slice(-1, begin, end));
  }
  return out;
}

// a + b, held within int64.
int64_t saturated_sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

void check_pad(const Array& x, const Dims& padding) {
  TESSERA_CHECK(padding.size() % 2 == 0 && padding.size() / 2 <= x.dim(),
                "[pad] expected a pair of numbers for each of at most {} dims, got {} for shape {}",
                x.dim(), padding, x.shape());
  // More than any memory holds; sums of such numbers stay within int64.
  constexpr int64_t kLimit = int64_t{1} << 48;
  for (int64_t count : padding) {
    TESSERA_CHECK(count >= -kLimit && count <= kLimit,
                  "[pad] expected paddings in [{}, {}], got {}", -kLimit, kLimit, padding);
  }
}

Array pad_constant(const Array& x, const Dims& padding, const Scalar& value) {
  check_holds("pad", x.dtype(), value);
  Dims shape = x.shape();
  Array inner = x;
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    size_t d = x.dim() - 1 - i;
    int64_t size = shape[d];
    shape[d] = size + padding[2 * i] + padding[2 * i + 1];
    TESSERA_CHECK(shape[d] >= 0, "[pad] padding {} gives dim {} of shape {} the size {}", padding,
                  d, x.shape(), shape[d]);
    TESSERA_CHECK(padding[2 * i] >= -size && padding[2 * i + 1] >= -size,
                  "[pad] padding {} cuts off more than the {} elements of dim {} of shape {}",
                  padding, size, d, x.shape());
  }
  Array out = full(shape, value, x.dtype(), x.device());
  Array place = out;
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    auto d = static_cast<int64_t>(x.dim() - 1 - i);
    int64_t size = x.shape()[static_cast<size_t>(d)];
    int64_t begin = std::clamp<int64_t>(-padding[2 * i], 0, size);
    int64_t end = std::clamp<int64_t>(size + padding[2 * i + 1], 0, size);
    if (begin >= end) return out;
    inner = inner.slice(d, begin, end);
    place = place.slice(d, begin + padding[2 * i], end + padding[2 * i]);
  }
  place.copy_(inner);
  return out;
}

}  // namespace

Array flip(const Array& x, const Dims& dims) {
  Dims strides = x.strides();
  int64_t offset = x.offset();
  // Zero dims count as one, which has nothing to reverse.
  Dims reversed = normalize_dims(dims, std::max<size_t>(x.dim(), 1), "flip");
  if (x.dim() == 0) return x.clone();
  for (int64_t d : reversed) {
    auto at = static_cast<size_t>(d);
    offset += std::max<int64_t>(x.shape()[at] - 1, 0) * strides[at];
    strides[at] = -strides[at];
  }
  if (x.numel() == 0) return x.clone();
  return Array(x.storage(), x.dtype(), x.shape(), strides, offset).clone();
}

Array roll(const Array& x, const Dims& shifts, const Dims& dims) {
  if (dims.empty()) {
    TESSERA_CHECK(shifts.size() == 1, "[roll] expected one shift without dims, got {}", shifts);
    return roll(x.reshape({-1}), shifts, {0}).view(x.shape());
  }
  TESSERA_CHECK(shifts.size() == dims.size(),
                "[roll] expected as many shifts as dims, got {} and {}", shifts, dims);
  Array out = x.clone();
  for (size_t i = 0; i < dims.size(); ++i) {
    TESSERA_CHECK(shifts[i] != INT64_MIN, "[roll] a shift of {} cannot be undone", shifts[i]);
    int64_t size = x.shape()[normalize_dim(dims[i], x.dim(), "roll")];
    if (size == 0) continue;
    int64_t shift = (shifts[i] % size + size) % size;
    if (shift == 0) continue;
    Array from = i == 0 ? x : out.clone();
    out.slice(dims[i], shift, size).copy_(from.slice(dims[i], 0, size - shift));
    out.slice(dims[i], 0, shift).copy_(from.slice(dims[i], size - shift, size));
  }
  return out;
}

Array repeat(const Array& x, const Dims& repeats) {
  TESSERA_CHECK(repeats.size() >= x.dim(),
                "[repeat] expected at least {} numbers of repeats for shape {}, got {}", x.dim(),
                x.shape(), repeats);
  size_t lead = repeats.size() - x.dim();
  Dims shape;
  Dims spread;
  Dims strides;
  for (size_t d = 0; d < repeats.size(); ++d) {
    TESSERA_CHECK(repeats[d] >= 0, "[repeat] expected repeats of at least 0, got {}", repeats);
    int64_t size = d < lead ? 1 : x.shape()[d - lead];
    spread.push_back(repeats[d]);
    spread.push_back(size);
    strides.push_back(0);
    strides.push_back(d < lead ? 0 : x.strides()[d - lead]);
    int64_t product = 0;
    TESSERA_CHECK(!__builtin_mul_overflow(repeats[d], size, &product),
                  "[repeat] shape {} repeated {} is too large", x.shape(), repeats);
    shape.push_back(product);
  }
  return Array(x.storage(), x.dtype(), spread, strides, x.offset()).clone().view(shape);
}

Array tile(const Array& x, const Dims& repeats) {
  Dims all = repeats;
  while (all.size() < x.dim()) all.insert(0, 1);
  return repeat(x, all);
}

Array cat(const std::vector<Array>& xs, int64_t dim) {
  TESSERA_CHECK(!xs.empty(), "[cat] expected at least one array, got none");
  std::vector<const Array*> parts;
  for (const Array& x : xs) {
    TESSERA_CHECK(x.dtype() == xs[0].dtype(), "[cat] expected one dtype, got {} and {}",
                  xs[0].dtype(), x.dtype());
    TESSERA_CHECK(x.device() == xs[0].device(), "[cat] expected one device, got {} and {}",
                  xs[0].device(), x.device());
    TESSERA_CHECK(x.dim() > 0, "[cat] expected arrays of at least one dim, got shape ()");
    if (x.shape() != Dims{0}) parts.push_back(&x);
  }
  if (parts.empty()) return xs[0].clone();
  Dims shape = parts[0]->shape();
  size_t d = normalize_dim(dim, shape.size(), "cat");
  shape[d] = 0;
  for (const Array* x : parts) {
    Dims other = x->shape();
    if (other.size() == shape.size()) other[d] = shape[d];
    TESSERA_CHECK(other == shape, "[cat] expected one shape but for dim {}, got {} and {}", d,
                  parts[0]->shape(), x->shape());
    shape[d] += x->shape()[d];
  }
  Array out = Array::empty(shape, xs[0].dtype(), xs[0].device());
  int64_t at = 0;
  for (const Array* x : parts) {
    int64_t size = x->shape()[d];
    out.slice(dim, at, at + size).copy_(*x);
    at += size;
  }
  return out;
}

Array stack(const std::vector<Array>& xs, int64_t dim) {
  TESSERA_CHECK(!xs.empty(), "[stack] expected at least one array, got none");
  size_t d = normalize_dim(dim, xs[0].dim() + 1, "stack");
  std::vector<Array> parts;
  for (const Array& x : xs) {
    TESSERA_CHECK(x.shape() == xs[0].shape(), "[stack] expected one shape, got {} and {}",
                  xs[0].shape(), x.shape());
    TESSERA_CHECK(x.dtype() == xs[0].dtype(), "[stack] expected one dtype, got {} and {}",
                  xs[0].dtype(), x.dtype());
    parts.push_back(x.unsqueeze(static_cast<int64_t>(d)));
  }
  return cat(parts, static_cast<int64_t>(d));
}

Array tril(const Array& x, int64_t diagonal) {
  return keep_columns("tril", x, [&](int64_t r) {
    return std::pair<int64_t, int64_t>(
        0, std::clamp<int64_t>(saturated_sum(diagonal, r + 1), 0, x.size(-1)));
  });
}

Array triu(const Array& x, int64_t diagonal) {
  return keep_columns("triu", x, [&](int64_t r) {
    return std::pair<int64_t, int64_t>(
        std::clamp<int64_t>(saturated_sum(diagonal, r), 0, x.size(-1)), x.size(-1));
  });
}

Array pad_index(int64_t size, int64_t before, int64_t after, PadMode mode) {
  const char* name = mode == PadMode::reflect     ? "reflect"
                     : mode == PadMode::replicate ? "replicate"
                                                  : "circular";
  // Circular padding goes around what is left between cut ends.
  int64_t begin = std::clamp<int64_t>(-std::max(before, -size), 0, size);
  int64_t end = std::max(begin, std::clamp<int64_t>(size + std::min<int64_t>(after, 0), 0, size));
  int64_t limit = mode == PadMode::reflect    ? size - 1
                  : mode == PadMode::circular ? end - begin
                  : size > 0                  ? int64_t{1} << 40
                                              : 0;
  TESSERA_CHECK(before <= limit && after <= limit,
                "[pad] expected {} padding of at most {} for a dim of size {}, got {} and {}", name,
                std::max<int64_t>(limit, 0), size, before, after);
  int64_t smallest = mode == PadMode::circular || (before >= 0 && after >= 0) ? 0 : 1;
  constexpr int64_t kMostCut = int64_t{1} << 40;
  TESSERA_CHECK(before >= -kMostCut && after >= -kMostCut && size + before + after >= smallest,
                "[pad] expected {} padding that leaves elements of a dim of size {}, got {} and {}",
                name, size, before, after);
  std::vector<int64_t> index;
  for (int64_t i = -before; i < size + after; ++i) {
    int64_t at = i;
    if (mode == PadMode::reflect) at = i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
    else if (mode == PadMode::replicate) at = std::clamp<int64_t>(i, 0, size - 1);
    else at = i < begin ? i + (end - begin) : i >= end ? i - (end - begin) : i;
    index.push_back(at);
  }
  auto count = static_cast<int64_t>(index.size());
  return Array::from(index, {count});
}

Array pad(const Array& x, const Dims& padding, PadMode mode, Scalar value) {
  check_pad(x, padding);
  if (mode == PadMode::constant) return pad_constant(x, padding, value);
  Array out = x;
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    auto d = static_cast<int64_t>(x.dim() - 1 - i);
    Array index = pad_index(out.size(d), padding[2 * i], padding[2 * i + 1], mode);
    Dims shape = out.shape();
    shape[static_cast<size_t>(d)] = index.numel();
    Array padded = Array::empty(shape, x.dtype(), x.device());
    kernels(x.device())
        .index()
        .take("pad", out.transpose(0, d), std::span(&index, 1), padded.transpose(0, d));
    out = padded;
  }
  return padding.empty() ? x.clone() : out;
}

}  // namespace tessera::arrays
