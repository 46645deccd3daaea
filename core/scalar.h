// A number beside tensors: x + 2, clamp(x, 0.5), full(shape, true).
#pragma once

#include <concepts>

#include "core/dtype.h"

namespace tessera {

// A bool, an integer or a floating-point number; which of them matters to type promotion.
// Converts implicitly from every arithmetic type.
class Scalar {
 public:
  enum class Kind : uint8_t { boolean, integer, floating };

  Scalar(bool value) : integer_(value), kind_(Kind::boolean) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Scalar(T value)
      : integer_(static_cast<int64_t>(value)), kind_(Kind::integer) {}
  template <std::floating_point T>
  Scalar(T value) : floating_(static_cast<double>(value)), kind_(Kind::floating) {}
  // Text and other pointers would be true.
  template <class T>
  Scalar(T* pointer) = delete;

  Kind kind() const { return kind_; }
  bool is_floating() const { return kind_ == Kind::floating; }
  // The value as a T, converted as an array's element would be.
  template <class T>
  T to() const {
    if (kind_ == Kind::floating) return convert<T>(floating_);
    if (kind_ == Kind::boolean) return convert<T>(integer_ != 0);
    return convert<T>(integer_);
  }
  // What the value is when nothing else says: bool, i64 or f32.
  DType dtype() const {
    if (kind_ == Kind::floating) return DType::f32;
    return kind_ == Kind::boolean ? DType::boolean : DType::i64;
  }

  friend Scalar operator-(const Scalar& x) {
    if (x.kind_ == Kind::floating) return -x.floating_;
    return static_cast<int64_t>(0 - static_cast<uint64_t>(x.integer_));
  }

 private:
  union {
    int64_t integer_;
    double floating_;
  };
  Kind kind_;
};

}  // namespace tessera
