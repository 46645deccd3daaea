#include "autograd/ops/random_fill.h"

#include <cmath>
#include <numbers>

#include "autograd/in_place.h"
#include "autograd/ops/number_range.h"
#include "autograd/ops/pointwise.h"
#include "core/creation.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/random.h"
#include "core/kernels/unary.h"

namespace tessera {
namespace {

void check_floating_self(const char* op, const Tensor& self) {
  TESSERA_CHECK(is_floating(self.dtype()), "[{}] expected a tensor of a floating dtype, got {}", op,
                self.dtype());
}

// self = draw(): numbers of its shape, drawn once, that owe nothing to what was there.
const Tensor& fill_with(const char* op, const Tensor& self, FunctionRef<Array()> draw) {
  auto compute = [&](const Tensor& old) {
    return record(op, draw().to(self.dtype()), {old},
                  [](const Tensor& dy, const Node&) { return Grads{pointwise::zeros_like(dy)}; });
  };
  return in_place(op, self, {}, compute, [&](const Array& out) { out.copy_(draw()); });
}

// What kernels draw into for self: 16-bit floats are drawn as f32.
Array drawn_as(const Tensor& self) {
  DType dtype = self.dtype() == DType::f64 ? DType::f64 : DType::f32;
  return Array::empty(self.shape(), dtype, self.device());
}
Array drawn_doubles(const Tensor& self) {
  return Array::empty(self.shape(), DType::f64, self.device());
}

const RandomFamily& random_of(const Tensor& self) { return kernels(self.device()).random(); }
// A number beside every element of x.
Array beside_all(const Array& x, const Scalar& number) {
  return arrays::full({}, number, x.dtype(), x.device()).expand(x.shape());
}

// x = op(x), and x = op(x, number).
void apply(UnaryOp op, const Array& x, const ElementwiseParams& params = {}) {
  kernels(x.device()).unary().run(op, x, x, params);
}
void apply(BinaryOp op, const Array& x, const Scalar& number) {
  kernels(x.device()).binary().run(op, x, beside_all(x, number), x);
}
// x = scale x + shift
void scale_and_shift(const Array& x, double scale, double shift) {
  kernels(x.device()).binary().affine(x, scale, shift, x);
}

// The number as dtype holds it.
double rounded(double value, DType dtype) { return Array::full({}, value, dtype).item<double>(); }

// The next number of dtype below value, or above it if `up`.
double neighbour(double value, DType dtype, bool up) {
  double towards = up ? HUGE_VAL : -HUGE_VAL;
  if (dtype == DType::f64) return std::nextafter(value, towards);
  if (dtype == DType::f32) return std::nextafter(static_cast<float>(value), towards);
  // 8 or 11 bits of significand; numbers below the smallest exponent lie evenly apart.
  int digits = dtype == DType::bf16 ? 8 : 11;
  int lowest = dtype == DType::bf16 ? -125 : -13;
  int exponent = lowest;
  if (value != 0) std::frexp(value, &exponent);
  // A power of two has the narrower gap on the side of zero.
  bool is_power = value != 0 && std::abs(std::frexp(value, &exponent)) == 0.5;
  bool shrinks = value != 0 && up == (value < 0);
  if (is_power && shrinks) --exponent;
  double step = std::ldexp(1, std::max(exponent, lowest) - digits);
  return value + (up ? step : -step);
}

// The largest integer up to which dtype, a floating one, has every integer.
int64_t whole_range(DType dtype) {
  switch (dtype) {
    case DType::f64: return int64_t{1} << 53;
    case DType::f32: return int64_t{1} << 24;
    case DType::f16: return int64_t{1} << 11;
    default: return int64_t{1} << 8;
  }
}

int64_t largest_integer(DType dtype) {
  switch (dtype) {
    case DType::i32: return INT32_MAX;
    case DType::u8: return UINT8_MAX;
    case DType::boolean: return 1;
    default: return INT64_MAX;
  }
}

// An error unless self can hold every integer of [from, to), as far as its dtype has them.
void check_integers(const char* op, const Tensor& self, int64_t from, int64_t to) {
  TESSERA_CHECK(from < to, "[{}] expected from < to, got {} and {}", op, from, to);
  if (self.dtype() == DType::boolean) {
    TESSERA_CHECK(from >= 0 && to <= 2,
                  "[{}] expected a range within [0, 2) for bool, got [{}, {})", op, from, to);
    return;
  }
  check_in_range(op, from, self.dtype());
  check_in_range(op, to - 1, self.dtype());
}

// Integers of [from, to) as the floating dtype has them: none leaves the range by rounding.
Array as_floating(const Array& integers, DType dtype, int64_t from, int64_t to) {
  double low = rounded(static_cast<double>(from), dtype);
  double high = rounded(static_cast<double>(to - 1), dtype);
  if (low < static_cast<double>(from)) low = neighbour(low, dtype, true);
  if (high > static_cast<double>(to - 1)) high = neighbour(high, dtype, false);
  TESSERA_CHECK(low <= high, "[random_] expected a range that holds a number of {}, got [{}, {})",
                dtype, from, to);
  Array values = integers.to(dtype);
  apply(UnaryOp::clamp, values, {low, high, 0});
  return values;
}

void check_probabilities(const Array& p) {
  const auto* values = p.data<double>();
  for (int64_t i = 0; i < p.numel(); ++i) {
    TESSERA_CHECK(values[i] >= 0 && values[i] <= 1,
                  "[bernoulli_] expected probabilities in [0, 1], got {} at {} of {}", values[i], i,
                  p.shape());
  }
}

}  // namespace

const Tensor& uniform_(SelfArg self, double from, double to) {
  check_floating_self("uniform_", self);
  TESSERA_CHECK(std::isfinite(from) && std::isfinite(to) && from <= to,
                "[uniform_] expected finite from <= to, got {} and {}", from, to);
  check_in_range("uniform_", from, self.dtype());
  check_in_range("uniform_", to, self.dtype());
  check_in_range("uniform_", to - from, self.dtype());
  TESSERA_CHECK(std::isfinite(to - from), "[uniform_] expected a finite range, got [{}, {})", from,
                to);
  double low = rounded(from, self.dtype());
  double high = rounded(to, self.dtype());
  double last = high > low ? neighbour(high, self.dtype(), false) : high;
  return fill_with("uniform_", self, [&] {
    Array out = drawn_as(self);
    random_of(self).uniform(context().next_stream(), 0, low, high, out);
    // Rounding, to 16 bits or after the product, may reach the end of the range.
    Array kept = out.to(self.dtype());
    apply(BinaryOp::minimum, kept, last);
    return kept;
  });
}

const Tensor& normal_(SelfArg self, double mean, double std) {
  check_floating_self("normal_", self);
  TESSERA_CHECK(std >= 0, "[normal_] expected a std of at least 0, got {}", std);
  return fill_with("normal_", self, [&] {
    Array out = drawn_as(self);
    random_of(self).normal(context().next_stream(), 0, mean, std, out);
    return out;
  });
}

const Tensor& log_normal_(SelfArg self, double mean, double std) {
  check_floating_self("log_normal_", self);
  TESSERA_CHECK(std > 0, "[log_normal_] expected a std above 0, got {}", std);
  return fill_with("log_normal_", self, [&] {
    Array out = drawn_as(self);
    random_of(self).normal(context().next_stream(), 0, mean, std, out);
    apply(UnaryOp::exp, out);
    return out;
  });
}

const Tensor& exponential_(SelfArg self, double rate) {
  check_floating_self("exponential_", self);
  TESSERA_CHECK(rate > 0, "[exponential_] expected a rate above 0, got {}", rate);
  return fill_with("exponential_", self, [&] {
    Array out = drawn_as(self);
    random_of(self).exponential(context().next_stream(), 0, rate, out);
    return out;
  });
}

const Tensor& cauchy_(SelfArg self, double median, double sigma) {
  check_floating_self("cauchy_", self);
  TESSERA_CHECK(sigma > 0, "[cauchy_] expected a sigma above 0, got {}", sigma);
  return fill_with("cauchy_", self, [&] {
    Array out = drawn_doubles(self);
    random_of(self).uniform(context().next_stream(), 0, 0, 1, out);
    scale_and_shift(out, std::numbers::pi, -std::numbers::pi / 2);
    apply(UnaryOp::tan, out);
    scale_and_shift(out, sigma, median);
    return out;
  });
}

// One more than an exponential number of rate -log(1 - p), rounded down.
const Tensor& geometric_(SelfArg self, double p) {
  TESSERA_CHECK(self.dtype() != DType::boolean, "[geometric_] expected numbers, got bool");
  TESSERA_CHECK(p > 0 && p < 1, "[geometric_] expected a probability in (0, 1), got {}", p);
  double largest =
      is_floating(self.dtype()) ? HUGE_VAL : static_cast<double>(largest_integer(self.dtype()));
  // The largest double below 2^63, which an i64 does not hold.
  if (self.dtype() == DType::i64) largest = 0x1.fffffffffffffp62;
  return fill_with("geometric_", self, [&] {
    Array out = drawn_doubles(self);
    random_of(self).exponential(context().next_stream(), 0, -std::log1p(-p), out);
    apply(UnaryOp::floor, out);
    scale_and_shift(out, 1, 1);
    apply(BinaryOp::minimum, out, largest);
    return out;
  });
}

const Tensor& bernoulli_(SelfArg self, double p) {
  TESSERA_CHECK(p >= 0 && p <= 1, "[bernoulli_] expected a probability in [0, 1], got {}", p);
  return fill_with("bernoulli_", self, [&] {
    Array out = drawn_doubles(self);
    random_of(self).bernoulli(context().next_stream(),
                              Array::full(self.shape(), p, DType::f64, self.device()), out);
    return out;
  });
}

const Tensor& bernoulli_(SelfArg self, TensorArg p) {
  TESSERA_CHECK(is_floating(p.dtype()), "[bernoulli_] expected floating probabilities, got {}",
                p.dtype());
  TESSERA_CHECK(broadcast_shapes(self.shape(), p.shape(), "bernoulli_") == self.shape(),
                "[bernoulli_] expected probabilities that broadcast to {}, got {}", self.shape(),
                p.shape());
  Array own = p.data().to(DType::f64).contiguous();
  if (own.device().type != DeviceType::meta) check_probabilities(own);
  Array chance = own.expand(self.shape()).contiguous();
  return fill_with("bernoulli_", self, [&] {
    Array out = drawn_doubles(self);
    random_of(self).bernoulli(context().next_stream(), chance, out);
    return out;
  });
}

const Tensor& random_(SelfArg self, int64_t from, int64_t to) {
  check_integers("random_", self, from, to);
  return fill_with("random_", self, [&] {
    Array out = Array::empty(self.shape(), DType::i64, self.device());
    random_of(self).integers(context().next_stream(), 0, from, to, out);
    return is_floating(self.dtype()) ? as_floating(out, self.dtype(), from, to) : out;
  });
}

const Tensor& random_(SelfArg self, int64_t to) { return random_(self, 0, to); }

const Tensor& random_(SelfArg self) {
  DType dtype = self.dtype();
  if (is_floating(dtype)) return random_(self, 0, whole_range(dtype) + 1);
  if (dtype != DType::i64) return random_(self, 0, largest_integer(dtype) + 1);
  return fill_with("random_", self, [&] {
    Array out = Array::empty(self.shape(), DType::i64, self.device());
    random_of(self).integers(context().next_stream(), 0, INT64_MIN, 0, out);
    // The negative numbers as those that are not: their sign dropped.
    apply(BinaryOp::bitwise_xor, out, INT64_MIN);
    return out;
  });
}

}  // namespace tessera
