#include "autograd/ops/random.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/creation.h"
#include "core/kernels.h"
#include "core/kernels/random.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// The largest n such that dtype holds 0 to n, every one of them.
int64_t largest_exact(DType dtype) {
  switch (dtype) {
    case DType::f64: return int64_t{1} << 53;
    case DType::f32: return int64_t{1} << 24;
    case DType::f16: return int64_t{1} << 11;
    case DType::bf16: return int64_t{1} << 8;
    default: return integer_range(dtype).second;
  }
}

// Errors unless dtype holds each of the integers from lowest to largest: a rounded one would come
// twice as often or lie outside.
void check_integers(const char* op, DType dtype, int64_t lowest, int64_t largest) {
  int64_t top = largest_exact(dtype);
  int64_t bottom = is_floating(dtype) ? -top : integer_range(dtype).first;
  TESSERA_CHECK(lowest >= bottom && largest <= top,
                "[{}] expected integers in [{}, {}], all of which {} holds, got {} to {}", op,
                bottom, top, dtype, lowest, largest);
}

// What kernels draw into for a result of dtype: 16-bit floats are drawn as f32.
Array floating_result(const char* op, const Dims& shape, DType dtype, Device device = {}) {
  arrays::check_sizes(op, shape);
  TESSERA_CHECK(is_floating(dtype), "[{}] expected a floating dtype, got {}", op, dtype);
  return Array::empty(shape, dtype == DType::f64 ? DType::f64 : DType::f32, device);
}

// Uniform f32 as dtype, still below 1: 16-bit floats keep the leading bits of their significands
// and drop the others, since rounding could reach 1.
Tensor narrowed_uniform(const Tensor& x, DType dtype) {
  if (dtype != DType::bf16 && dtype != DType::f16) return x;
  const Composed scope;
  double levels = dtype == DType::bf16 ? 256 : 2048;
  return to(floor(x * levels) / levels, dtype);
}

// Positive f32 as dtype, still positive: what 16 bits would round to 0 becomes their smallest
// number.
Array narrowed_positive(const Array& x, DType dtype) {
  if (dtype != DType::bf16 && dtype != DType::f16) return x;
  float smallest = dtype == DType::bf16 ? 0x1p-133F : 0x1p-24F;
  auto* values = x.data<float>();
  for (int64_t i = 0; i < x.numel(); ++i) values[i] = std::max(values[i], smallest);
  return x.to(dtype);
}

void check_weights(const Array& rows, int64_t num_samples, bool replacement) {
  const auto* weights = rows.data<double>();
  for (int64_t r = 0; r < rows.size(0); ++r) {
    double sum = 0;
    int64_t positive = 0;
    for (int64_t i = 0; i < rows.size(1); ++i) {
      double weight = weights[r * rows.size(1) + i];
      TESSERA_CHECK(weight >= 0 && std::isfinite(weight),
                    "[multinomial] expected finite weights of at least 0, got {} in row {}", weight,
                    r);
      sum += weight;
      positive += weight > 0;
    }
    TESSERA_CHECK(sum > 0 && std::isfinite(sum),
                  "[multinomial] expected weights with a positive, finite sum, got {} in row {}",
                  sum, r);
    TESSERA_CHECK(replacement || positive >= num_samples,
                  "[multinomial] expected at least {} positive weights without replacement, got {} "
                  "in row {}",
                  num_samples, positive, r);
  }
}

Tensor uniforms(const char* op, const Dims& shape, DType dtype, Device device = {}) {
  Array out = floating_result(op, shape, dtype, device);
  kernels(device).random().uniform(context().next_stream(), 0, 0, 1, out);
  return narrowed_uniform(Tensor(out), dtype);
}

Tensor normals(const char* op, double mean, double std, const Dims& shape, DType dtype,
               Device device = {}) {
  Array out = floating_result(op, shape, dtype, device);
  kernels(out.device()).random().normal(context().next_stream(), 0, mean, std, out);
  return Tensor(out.to(dtype));
}

Tensor integers(const char* op, int64_t low, int64_t high, const Dims& shape, DType dtype,
                Device device = {}) {
  arrays::check_sizes(op, shape);
  TESSERA_CHECK(low < high, "[{}] expected low < high, got {} and {}", op, low, high);
  check_integers(op, dtype, low, high - 1);
  Array out = Array::empty(shape, DType::i64, device);
  kernels(device).random().integers(context().next_stream(), 0, low, high, out);
  return Tensor(out.to(dtype));
}

// mean + std z of dtype, for independent standard normal z.
Tensor normal_around(const Tensor& mean, const Tensor& std, DType dtype) {
  const NoGrad constant;
  const Composed scope;
  Dims shape = broadcast_shapes(mean.shape(), std.shape(), "normal");
  Array deviations = std.data().to(DType::f64).contiguous();
  const auto* values = deviations.data<double>();
  for (int64_t i = 0; i < deviations.numel(); ++i) {
    TESSERA_CHECK(values[i] >= 0, "[normal] expected a std of at least 0, got {}", values[i]);
  }
  // 16-bit numbers are made in f32 and rounded once.
  DType compute = dtype == DType::f64 ? DType::f64 : DType::f32;
  Tensor scaled = to(std, compute) * normals("normal", 0, 1, shape, compute, std.device());
  return to(to(mean, compute) + scaled, dtype);
}

}  // namespace

Tensor dropout(TensorArg x, double p, bool training) {
  const Composed scope;
  TESSERA_CHECK(p >= 0 && p <= 1, "[dropout] expected a probability in [0, 1], got {}", p);
  if (!training) return x;
  TESSERA_CHECK(is_floating(x.dtype()), "[dropout] expected a floating dtype, got {}", x.dtype());
  if (p == 0) return x;
  // 16-bit elements are multiplied in f32 and rounded once.
  DType wide = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  Array mask = Array::empty(x.shape(), wide, x.device());
  kernels(x.device()).random().dropout_mask(context().next_stream(), 0, p, mask);
  Tensor y = x * Tensor(mask);
  return y.dtype() == x.dtype() ? y : to(y, x.dtype());
}

Tensor randn(const Dims& shape, DType dtype) { return normals("randn", 0, 1, shape, dtype); }

Tensor rand(const Dims& shape, DType dtype) { return uniforms("rand", shape, dtype); }

Tensor randint(int64_t low, int64_t high, const Dims& shape, DType dtype) {
  return integers("randint", low, high, shape, dtype);
}

Tensor randperm(int64_t count, DType dtype) {
  TESSERA_CHECK(count >= 0, "[randperm] expected a count of at least 0, got {}", count);
  check_integers("randperm", dtype, 0, std::max<int64_t>(count - 1, 0));
  Array out = Array::empty({count}, DType::i64);
  kernels(out.device()).random().permutation(context().next_stream(), out);
  return Tensor(out.to(dtype));
}

Tensor bernoulli(TensorArg p) {
  TESSERA_CHECK(is_floating(p.dtype()), "[bernoulli] expected floating probabilities, got {}",
                p.dtype());
  Array chance = p.data().to(DType::f64).contiguous();
  const auto* values = chance.data<double>();
  for (int64_t i = 0; i < chance.numel(); ++i) {
    TESSERA_CHECK(values[i] >= 0 && values[i] <= 1,
                  "[bernoulli] expected probabilities in [0, 1], got {} at {} of {}", values[i], i,
                  p.shape());
  }
  Array out = Array::empty(p.shape(), DType::f64, p.device());
  kernels(p.device()).random().bernoulli(context().next_stream(), chance, out);
  return Tensor(out.to(p.dtype()));
}

Tensor normal(double mean, double std, const Dims& shape, DType dtype) {
  TESSERA_CHECK(std >= 0, "[normal] expected a std of at least 0, got {}", std);
  return normals("normal", mean, std, shape, dtype);
}

Tensor normal(TensorArg mean, TensorArg std) {
  TESSERA_CHECK(is_floating(mean.dtype()), "[normal] expected a mean of a floating dtype, got {}",
                mean.dtype());
  return normal_around(mean, std, mean.dtype());
}

Tensor normal(TensorArg mean, double std) {
  return normal(mean, Array::full({}, std, DType::f64, mean.device()));
}

Tensor normal(double mean, TensorArg std) {
  TESSERA_CHECK(is_floating(std.dtype()), "[normal] expected a std of a floating dtype, got {}",
                std.dtype());
  return normal_around(Array::full({}, mean, DType::f64, std.device()), std, std.dtype());
}

Tensor exponential(double rate, const Dims& shape, DType dtype) {
  TESSERA_CHECK(rate > 0, "[exponential] expected a rate above 0, got {}", rate);
  Array out = floating_result("exponential", shape, dtype);
  kernels(out.device()).random().exponential(context().next_stream(), 0, rate, out);
  return Tensor(narrowed_positive(out, dtype));
}

Tensor multinomial(TensorArg weights, int64_t num_samples, bool replacement) {
  TESSERA_CHECK(is_floating(weights.dtype()), "[multinomial] expected floating weights, got {}",
                weights.dtype());
  TESSERA_CHECK(weights.dim() == 1 || weights.dim() == 2,
                "[multinomial] expected weights of one or two dims, got shape {}", weights.shape());
  TESSERA_CHECK(num_samples > 0, "[multinomial] expected at least 1 sample, got {}", num_samples);
  Array rows = weights.data().to(DType::f64).contiguous();
  if (weights.dim() == 1) rows = rows.unsqueeze(0);
  check_weights(rows, num_samples, replacement);
  Array out = Array::empty({rows.size(0), num_samples}, DType::i64, rows.device());
  kernels(rows.device()).random().multinomial(context().next_stream(), rows, replacement, out);
  return Tensor(weights.dim() == 1 ? out.select(0, 0) : out);
}

Tensor rand_like(TensorArg x, std::optional<DType> dtype) {
  return uniforms("rand_like", x.shape(), dtype.value_or(x.dtype()), x.device());
}
Tensor randn_like(TensorArg x, std::optional<DType> dtype) {
  return normals("randn_like", 0, 1, x.shape(), dtype.value_or(x.dtype()), x.device());
}
Tensor randint_like(TensorArg x, int64_t low, int64_t high, std::optional<DType> dtype) {
  return integers("randint_like", low, high, x.shape(), dtype.value_or(x.dtype()), x.device());
}

}  // namespace tessera
