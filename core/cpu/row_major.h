// Elements of an array of any strides, read run by run in row-major order: kernels that go over
// them once need no copy of the whole.
#pragma once

#include <algorithm>
#include <memory>

#include "core/cpu/strided.h"

namespace tessera::cpu {

// Memory for `count` elements, of unspecified content; null for none.
template <class T>
std::unique_ptr<T[]> scratch_of(int64_t count) {
  return std::unique_ptr<T[]>(count == 0 ? nullptr : new T[static_cast<size_t>(count)]);
}

template <class T>
class RowMajor {
 public:
  explicit RowMajor(const Array& x)
      : data_(x.data<T>()), in_place_(x.is_contiguous()), loop_({&x}) {}

  // Whether the elements lie in memory in that order; if so, no scratch is needed below.
  bool in_place() const { return in_place_; }

  // Elements first to first + count: where they lie, or copied to scratch.
  const T* read(int64_t first, int64_t count, T* scratch) const {
    if (in_place_) return data_ + first;
    copy(first, count, scratch);
    return scratch;
  }

  // Copies rows of `count` elements, whose first ones are `stride` apart in row-major order.
  void copy_rows(int64_t first, int64_t rows, int64_t stride, int64_t count, T* to) const {
    for (int64_t i = 0; i < rows; ++i) copy(first + i * stride, count, to + i * count);
  }

  T at(int64_t i) const {
    T value;
    return *read(i, 1, &value);
  }

 private:
  void copy(int64_t first, int64_t count, T* to) const {
    const Dims& shape = loop_.shape;
    const Dims& strides = loop_.strides[0];
    int64_t n = shape.back();
    int64_t step = strides.back();
    int64_t at = first % n;
    int64_t row = first / n;
    while (count > 0) {
      const T* from = data_ + loop_.row_offsets(row)[0] + at * step;
      int64_t run = std::min(count, n - at);
      if (step == 0) std::fill_n(to, run, *from);
      else if (step == 1) std::copy_n(from, run, to);
      else
        for (int64_t k = 0; k < run; ++k) to[k] = from[k * step];
      to += run;
      count -= run;
      at = 0;
      ++row;
    }
  }

  const T* data_;
  bool in_place_;
  StridedLoop<1> loop_;
};

}  // namespace tessera::cpu
