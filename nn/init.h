// How parameters start.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "core/array.h"
#include "core/philox.h"

namespace tessera::nn {

// By which of a weight's fans Kaiming's values are scaled: a shape (out, in, kernel...) has
// in and out times the kernel's elements.
enum class FanMode { fan_in, fan_out };
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };
// By how much a nonlinearity's weights are scaled so that variances stay, as PyTorch has it: 1, 1,
// 5/3, sqrt(2), sqrt(2 / (1 + slope^2)) and 3/4.
double calculate_gain(Nonlinearity nonlinearity, double slope = 0.01);

struct KaimingOptions {
  double slope = 0;  // of leaky_relu
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};

// How a parameter starts. The values are a function of (seed, name, element) alone.
struct Init {
  // out, a flat array, becomes the elements from `first` on, the same ones however they are cut.
  using Fill = std::function<void(int64_t first, const Array& out)>;

  // The same for values that are drawn: from this stream of numbers, which the parameter's name and
  // the seed give.
  using Draw = std::function<void(const RandomStream& stream, int64_t first, const Array& out)>;

  enum class Kind { constant, normal, uniform, custom, drawn };
  Kind kind = Kind::constant;
  double value = 0;  // the constant, the standard deviation, or the bound of (-bound, bound)
  Fill fill = {};    // of a custom one
  // Elements [zeros_begin, zeros_end), row-major, start at zero all the same: a padding row.
  int64_t zeros_begin = 0;
  int64_t zeros_end = 0;
  Draw draw = {};         // of a drawn one
  std::string form = {};  // what it draws, in words: ranks compare it

  static Init constant(double value) { return {Kind::constant, value}; }
  static Init normal(double std) { return {Kind::normal, std}; }
  static Init uniform(double bound) { return {Kind::uniform, bound}; }
  static Init custom(Fill fill) { return {Kind::custom, 0, std::move(fill)}; }
  // draw gets flat arrays of f32 on the CPU.
  static Init drawn(std::string form, Draw draw);

  // Those of torch.nn.init, of the same names and defaults; a shape is the parameter's.
  // nn/README.md shows how a layer gets one.
  static Init normal(double mean, double std);
  static Init uniform(double low, double high);
  // Normal within [low, high]: what lies outside is drawn again, as it were.
  static Init trunc_normal(double mean = 0, double std = 1, double low = -2, double high = 2);
  // Uniform within gain sqrt(3 / fan), normal with gain / sqrt(fan) (He et al. 2015).
  static Init kaiming_uniform(const Dims& shape, KaimingOptions options = {});
  static Init kaiming_normal(const Dims& shape, KaimingOptions options = {});
  // Uniform within gain sqrt(6 / (fan_in + fan_out)), normal with gain sqrt(2 / (fan_in + fan_out))
  // (Glorot and Bengio 2010).
  static Init xavier_uniform(const Dims& shape, double gain = 1);
  static Init xavier_normal(const Dims& shape, double gain = 1);
  // Rows or columns, whichever are fewer, of length gain and at right angles, shape being (rows,
  // columns...) (Saxe et al. 2014). Whoever makes a part of it makes all of it.
  static Init orthogonal(const Dims& shape, double gain = 1);
  // Normal, but for this share of each column (rounded up), which is zeros: two dims (Martens
  // 2010).
  static Init sparse(const Dims& shape, double sparsity, double std = 0.01);
  // The identity: of a matrix, and of a convolution (out, in, kernel...) in each group.
  static Init eye(const Dims& shape);
  static Init dirac(const Dims& shape, int64_t groups = 1);

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
  // Whether `data` is them to the bit. What has no memory is nobody's yet.
  bool are_in(const Array& data) const;
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
