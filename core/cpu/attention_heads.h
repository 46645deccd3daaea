// How the attention kernel reads and writes heads: tiles of rows, in the type it computes in.
#pragma once

#include <algorithm>
#include <cstring>

#include "core/array.h"
#include "core/cpu/convert.h"

namespace tessera::cpu {

// An array (B, H, T, D) of any floating dtype, with stride 1 in D.
template <class T>
class Heads {
 public:
  explicit Heads(const Array& x)
      : data_(static_cast<std::byte*>(x.raw())),
        item_bytes_(static_cast<int64_t>(item_size(x.dtype()))),
        batch_(x.strides()[0]),
        head_(x.strides()[1]),
        token_(x.strides()[2]),
        width_(x.shape()[3]),
        same_(x.dtype() == dtype_of<T>()),
        load_(convert_run(x.dtype(), dtype_of<T>())),
        store_(convert_run(dtype_of<T>(), x.dtype())) {}

  int64_t width() const { return width_; }

  // Rows first to first + count of a head into rows `stride` apart, zeros beyond the width.
  void read(int64_t b, int64_t h, int64_t first, int64_t count, T* to, int64_t stride) const {
    const std::byte* from = at(b, h, first);
    for (int64_t i = 0; i < count; ++i, from += token_ * item_bytes_, to += stride) {
      if (same_) std::memcpy(to, from, static_cast<size_t>(width_) * sizeof(T));
      else load_(from, to, static_cast<size_t>(width_));
      std::fill(to + width_, to + stride, T{0});
    }
  }
  void write(int64_t b, int64_t h, int64_t first, int64_t count, const T* from,
             int64_t stride) const {
    std::byte* to = at(b, h, first);
    for (int64_t i = 0; i < count; ++i, to += token_ * item_bytes_, from += stride) {
      if (same_) std::memcpy(to, from, static_cast<size_t>(width_) * sizeof(T));
      else store_(from, to, static_cast<size_t>(width_));
    }
  }

 private:
  std::byte* at(int64_t b, int64_t h, int64_t t) const {
    return data_ + (b * batch_ + h * head_ + t * token_) * item_bytes_;
  }

  std::byte* data_;
  int64_t item_bytes_;
  int64_t batch_, head_, token_;  // strides in elements
  int64_t width_;
  bool same_;
  ConvertRun load_, store_;
};

// A mask (B, H, T, S) of any strides: bool or T.
template <class T>
class MaskTiles {
 public:
  explicit MaskTiles(const Array& mask) {
    if (!mask.defined()) return;
    data_ = mask.raw();
    boolean_ = mask.dtype() == DType::boolean;
    std::copy_n(mask.strides().data(), 4, strides_);
  }
  explicit operator bool() const { return data_ != nullptr; }

  // scores[j * stride + i] += the mask at (b, h, query + i, key + j), where false is minus
  // infinity.
  void add(int64_t b, int64_t h, int64_t query, int64_t queries, int64_t key, int64_t keys,
           T* scores, int64_t stride) const {
    int64_t start = b * strides_[0] + h * strides_[1] + query * strides_[2] + key * strides_[3];
    auto each = [&](const auto* mask, auto&& value) {
      for (int64_t i = 0; i < queries; ++i) {
        for (int64_t j = 0; j < keys; ++j) {
          scores[j * stride + i] += value(mask[start + i * strides_[2] + j * strides_[3]]);
        }
      }
    };
    constexpr T kHidden = -std::numeric_limits<T>::infinity();
    if (boolean_) each(static_cast<const bool*>(data_), [](bool x) { return x ? T{0} : kHidden; });
    else each(static_cast<const T*>(data_), [](T x) { return x; });
  }

 private:
  const void* data_ = nullptr;
  bool boolean_ = false;
  int64_t strides_[4] = {};
};

}  // namespace tessera::cpu
