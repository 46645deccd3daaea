// A short list of int64: shapes, strides, dims.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "core/error.h"

namespace tessera {

// Holds up to kInline values in place and more on the heap. A value type.
class Dims {
 public:
  static constexpr size_t kInline = 6;

  Dims() = default;
  Dims(std::initializer_list<int64_t> values) : Dims(std::span(values.begin(), values.size())) {}
  explicit Dims(std::span<const int64_t> values) {
    if (values.size() > kInline) reserve(values.size());
    size_ = values.size();
    for (size_t i = 0; i < size_; ++i) data()[i] = values[i];
  }
  explicit Dims(size_t count, int64_t value) {
    if (count > kInline) reserve(count);
    size_ = count;
    for (size_t i = 0; i < size_; ++i) data()[i] = value;
  }
  // Every operation copies some of these: the values in place are copied as one block.
  Dims(const Dims& other) {
    if (other.heap_) {
      *this = Dims(std::span(other.data(), other.size_));
    } else {
      size_ = other.size_;
      std::memcpy(inline_, other.inline_, sizeof inline_);
    }
  }
  Dims(Dims&& other) noexcept { take(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) *this = Dims(other);
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  ~Dims() = default;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t* data() { return heap_ ? heap_.get() : inline_; }
  const int64_t* data() const { return heap_ ? heap_.get() : inline_; }
  int64_t* begin() { return data(); }
  int64_t* end() { return data() + size_; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + size_; }
  int64_t& operator[](size_t i) { return data()[i]; }
  int64_t operator[](size_t i) const { return data()[i]; }
  int64_t& back() { return data()[size_ - 1]; }
  int64_t back() const { return data()[size_ - 1]; }

  void push_back(int64_t value) {
    if (size_ == capacity_) reserve(2 * capacity_);
    data()[size_++] = value;
  }
  void insert(size_t position, int64_t value);
  void erase(size_t position);

  friend bool operator==(const Dims& a, const Dims& b) {
    if (a.size_ != b.size_) return false;
    const int64_t* x = a.data();
    const int64_t* y = b.data();
    for (size_t i = 0; i < a.size_; ++i) {
      if (x[i] != y[i]) return false;
    }
    return true;
  }

 private:
  void reserve(size_t capacity);
  void take(Dims& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, kInline);
    heap_ = std::move(other.heap_);
    if (!heap_) std::memcpy(inline_, other.inline_, sizeof inline_);
  }

  size_t size_ = 0;
  size_t capacity_ = kInline;
  int64_t inline_[kInline] = {};
  std::unique_ptr<int64_t[]> heap_;
};

// "(2, 3)", "(4,)", "()": as NumPy writes a shape.
std::string to_string(const Dims& dims);

// The product of the sizes; an error if it does not fit into int64 or a size is negative.
int64_t num_elements(const Dims& shape);

// Row-major strides, in elements.
Dims contiguous_strides(const Dims& shape);

// dim counted from the end when negative; an error naming op when out of [-rank, rank).
size_t normalize_dim(int64_t dim, size_t rank, std::string_view op);

// The shape that a and b broadcast to under NumPy's rules; an error naming op if they do not.
Dims broadcast_shapes(const Dims& a, const Dims& b, std::string_view op);

}  // namespace tessera

template <>
struct fmt::formatter<tessera::Dims> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const tessera::Dims& dims, Context& context) const {
    return fmt::formatter<std::string_view>::format(tessera::to_string(dims), context);
  }
};
