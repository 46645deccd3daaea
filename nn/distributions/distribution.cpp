#include "nn/distributions/distribution.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/random.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "core/kernels.h"
#include "core/kernels/check.h"
#include "core/promotion.h"

namespace tessera::distributions {
namespace {

// A call of a member without tensors.
struct MemberCall {
  explicit MemberCall(CallSite site) : noted(site) {}
  NotedCall noted;
  Composed composed;
};

// Element `position` of x in words, where the host can read it.
std::string element_text(const Array& x, int64_t position) {
  if (x.device().type != DeviceType::cpu) return "something else";
  Array flat = x.contiguous().view({-1});
  return fmt::format("{}", flat.select(0, position).item<double>());
}

void check_met(const char* name, const Tensor& met, const Tensor& x, const std::string& wanted) {
  const NoGrad constant;
  Array data = x.data().expand(met.shape());
  kernels(x.device()).check().all(met.data(), [=](int64_t position) {
    return fmt::format("[{}] expected {}, got {} at {} of {}", name, wanted,
                       element_text(data, position), position, data.shape());
  });
}

// The dtype of parameters: what the tensors among them are promoted to.
DType common_dtype(const char* name, std::initializer_list<NamedArg> args) {
  ResultType type;
  bool none = true;
  for (const NamedArg& arg : args) {
    if (arg.arg.is_number()) continue;
    const Tensor& x = arg.arg.tensor();
    TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a {} of a floating dtype, got {}", name,
                  arg.name, x.dtype());
    type.add(x);
    none = false;
  }
  return none ? DType::f32 : type.get();
}

Device common_device(const char* name, std::initializer_list<NamedArg> args) {
  const NamedArg* first = nullptr;
  for (const NamedArg& arg : args) {
    if (arg.arg.is_number()) continue;
    if (!first) first = &arg;
    TESSERA_CHECK(arg.arg.tensor().device() == first->arg.tensor().device(),
                  "[{}] expected {} and {} on one device, got {} and {}", name, first->name,
                  arg.name, first->arg.tensor().device(), arg.arg.tensor().device());
  }
  return first ? first->arg.tensor().device() : Device{};
}

Tensor tensor_of(const ParameterArg& arg, DType dtype, Device device) {
  if (arg.is_number()) return Array::full({}, arg.number(), dtype, device);
  return arg.tensor().dtype() == dtype ? arg.tensor() : to(arg.tensor(), dtype);
}

Tensor on_device_of(const Tensor& x, const Tensor& noise) { return noise.data().to(x.device()); }

}  // namespace

Distribution::Distribution(const char* name, Dims batch_shape, Dims event_shape)
    : name_(name), batch_shape_(std::move(batch_shape)), event_shape_(std::move(event_shape)) {}

void Distribution::set_shapes(const Dims& batch_shape, const Dims& event_shape) {
  batch_shape_ = batch_shape;
  event_shape_ = event_shape;
}

Dims Distribution::extended(const Dims& shape) const {
  return joined(shape, joined(batch_shape_, event_shape_));
}

Tensor Distribution::sample(const Dims& shape, CallSite site) const {
  const MemberCall call(site);
  const NoGrad constant;
  return draw(extended(shape));
}

Tensor Reparameterized::rsample(const Dims& shape, CallSite site) const {
  const MemberCall call(site);
  return draw(extended(shape));
}

Tensor Distribution::log_prob(TensorArg value) const {
  const Composed scope;
  TESSERA_CHECK(value.defined(), "[{}] expected a value, got an undefined tensor", name_);
  size_t events = event_shape_.size();
  const Dims& shape = value.shape();
  TESSERA_CHECK(shape.size() >= events &&
                    std::equal(event_shape_.begin(), event_shape_.end(), shape.end() - events),
                "[{}] expected a value whose shape ends in that of an event, {}, got {}", name_,
                event_shape_, shape);
  broadcast_shapes(shape, joined(batch_shape_, event_shape_), name_);
  check_value(value);
  return log_density(is_floating(value.dtype()) ? *value : to(value, dtype()));
}

Tensor Distribution::entropy(CallSite site) const {
  const MemberCall call(site);
  return own_entropy();
}
Tensor Distribution::mean(CallSite site) const {
  const MemberCall call(site);
  return own_mean();
}
Tensor Distribution::variance(CallSite site) const {
  const MemberCall call(site);
  return own_variance();
}
Tensor Distribution::stddev(CallSite site) const {
  const MemberCall call(site);
  return own_stddev();
}
Tensor Distribution::own_stddev() const { return sqrt(own_variance()); }

void Distribution::check_all(const Tensor& met, const Tensor& value,
                             const std::string& wanted) const {
  check_met(name_, met, value, wanted);
}

std::vector<Tensor> broadcast_parameters(const char* distribution,
                                         std::initializer_list<NamedArg> args) {
  const Composed scope;
  DType dtype = common_dtype(distribution, args);
  Device device = common_device(distribution, args);
  Dims shape;
  for (const NamedArg& arg : args) {
    if (arg.arg.is_number()) continue;
    shape = broadcast_shapes(shape, arg.arg.tensor().shape(), distribution);
  }
  std::vector<Tensor> out;
  for (const NamedArg& arg : args) {
    Tensor x = tensor_of(arg.arg, dtype, device);
    out.push_back(x.shape() == shape ? x : expand(x, shape));
  }
  return out;
}

Tensor single_parameter(const char* distribution, const NamedArg& arg) {
  return broadcast_parameters(distribution, {arg})[0];
}

void check_parameter(const char* distribution, const Tensor& met, const Tensor& x,
                     const char* wanted) {
  check_met(distribution, met, x, wanted);
}
void check_positive(const char* distribution, const char* parameter, const Tensor& x) {
  const NoGrad constant;
  const Composed scope;
  check_met(distribution, gt(x, 0), x, fmt::format("a {} above 0", parameter));
}
void check_probabilities(const char* distribution, const Tensor& probs) {
  const NoGrad constant;
  const Composed scope;
  check_met(distribution, logical_and(ge(probs, 0), le(probs, 1)), probs, "probs in [0, 1]");
}
void check_real(const char* distribution, const char* parameter, const Tensor& x) {
  const NoGrad constant;
  const Composed scope;
  check_met(distribution, logical_not(isnan(x)), x, fmt::format("a number as {}", parameter));
}

Tensor standard_normal(const Dims& shape, const Tensor& x) {
  return on_device_of(x, randn(shape, x.dtype()));
}
Tensor standard_uniform(const Dims& shape, const Tensor& x) {
  return on_device_of(x, rand(shape, x.dtype()));
}
Tensor standard_exponential(const Dims& shape, const Tensor& x) {
  return on_device_of(x, exponential(1, shape, x.dtype()));
}

Tensor clamped_probs(const Tensor& probs) {
  double eps = 0x1p-23;
  if (probs.dtype() == DType::f64) eps = 0x1p-52;
  if (probs.dtype() == DType::f16) eps = 0x1p-10;
  if (probs.dtype() == DType::bf16) eps = 0x1p-7;
  return clamp(probs, eps, 1 - eps);
}

Tensor logits_of(const Tensor& probs) {
  Tensor p = clamped_probs(probs);
  return log(p) - log1p(-p);
}

Tensor log_beta(const Tensor& a, const Tensor& b) { return lgamma(a) + lgamma(b) - lgamma(a + b); }

Tensor sum_last(const Tensor& x, size_t count) {
  if (count == 0) return x;
  Dims dims;
  for (size_t i = 0; i < count; ++i) dims.push_back(-1 - static_cast<int64_t>(i));
  return sum(x, dims);
}

Dims joined(const Dims& front, const Dims& back) {
  Dims out = front;
  for (int64_t size : back) out.push_back(size);
  return out;
}

}  // namespace tessera::distributions
