#include "core/dims.h"

namespace tessera {

void Dims::reserve(size_t capacity) {
  if (capacity <= capacity_) return;
  auto heap = std::make_unique<int64_t[]>(capacity);
  std::copy(begin(), end(), heap.get());
  heap_ = std::move(heap);
  capacity_ = capacity;
}

void Dims::insert(size_t position, int64_t value) {
  TESSERA_ASSERT(position <= size_);
  if (size_ == capacity_) reserve(2 * capacity_);
  std::copy_backward(begin() + position, end(), end() + 1);
  data()[position] = value;
  ++size_;
}

void Dims::erase(size_t position) {
  TESSERA_ASSERT(position < size_);
  std::copy(begin() + position + 1, end(), begin() + position);
  --size_;
}

std::string to_string(const Dims& dims) {
  if (dims.size() == 1) return fmt::format("({},)", dims[0]);
  return fmt::format("({})", fmt::join(dims, ", "));
}

int64_t num_elements(const Dims& shape) {
  int64_t product = 1;
  bool has_zero = std::find(shape.begin(), shape.end(), 0) != shape.end();
  for (int64_t size : shape) {
    TESSERA_CHECK(size >= 0, "negative size in shape {}", shape);
    if (has_zero) continue;
    TESSERA_CHECK(!__builtin_mul_overflow(product, size, &product),
                  "shape {} has more elements than an int64 can count", shape);
  }
  return has_zero ? 0 : product;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    // With a size of 0 somewhere the others may multiply to anything; no element uses the stride.
    if (__builtin_mul_overflow(strides[i], std::max<int64_t>(shape[i], 1), &strides[i - 1])) {
      strides[i - 1] = 1;
    }
  }
  return strides;
}

size_t normalize_dim(int64_t dim, size_t rank, std::string_view op) {
  auto count = static_cast<int64_t>(rank);
  TESSERA_CHECK(dim >= -count && dim < count, "[{}] expected a dim in [{}, {}), got {}", op, -count,
                count, dim);
  return static_cast<size_t>(dim < 0 ? dim + count : dim);
}

Dims broadcast_shapes(const Dims& a, const Dims& b, std::string_view op) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims out = longer;
  size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t x = longer[lead + i];
    int64_t y = shorter[i];
    TESSERA_CHECK(x == y || x == 1 || y == 1, "[{}] shapes {} and {} do not broadcast", op, a, b);
    out[lead + i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace tessera
