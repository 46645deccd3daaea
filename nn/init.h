// How parameters start.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "core/array.h"

namespace tessera::nn {

// How a parameter starts. The values are a function of (seed, name, element) alone.
struct Init {
  // out, a flat array, becomes the elements from `first` on, the same ones however they are cut.
  using Fill = std::function<void(int64_t first, const Array& out)>;

  enum class Kind { constant, normal, uniform, custom };
  Kind kind = Kind::constant;
  double value = 0;  // the constant, the standard deviation, or the bound of (-bound, bound)
  Fill fill = {};    // of a custom one
  // Elements [zeros_begin, zeros_end), row-major, start at zero all the same: a padding row.
  int64_t zeros_begin = 0;
  int64_t zeros_end = 0;

  static Init constant(double value) { return {Kind::constant, value}; }
  static Init normal(double std) { return {Kind::normal, std}; }
  static Init uniform(double bound) { return {Kind::uniform, bound}; }
  static Init custom(Fill fill) { return {Kind::custom, 0, std::move(fill)}; }
  Init with_zeros(int64_t begin, int64_t end) && {
    zeros_begin = begin;
    zeros_end = end;
    return std::move(*this);
  }
};

// The first values of a parameter, any interval of which can be made by itself.
struct InitialValues {
  // What they are made in, whatever dtype the parameter has when it gets them.
  static constexpr DType kDType = DType::f32;

  std::string name;  // full
  uint64_t seed = 0;
  Init init;
  // out, a flat array of any dtype, becomes the elements from `first` on, converted.
  void fill(int64_t first, const Array& out) const;
};

// While one lives, parameters are made without memory, on the device meta: whoever needs their
// values, or a shard of them, makes them by initial_values(). So a constructor says how parameters
// start by Init or set_initial_values(); writing to one that has no memory is an error.
class DeferInit {
 public:
  DeferInit();
  ~DeferInit();
  DeferInit(const DeferInit&) = delete;
  DeferInit& operator=(const DeferInit&) = delete;

 private:
  bool before_;
};

// A parameter's place for values that come later: on meta, and not counted there either, for this
// is not what a device would have to keep.
Array without_memory(const Dims& shape, DType dtype);

}  // namespace tessera::nn
