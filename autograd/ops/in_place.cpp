#include "autograd/ops/in_place.h"

#include "autograd/in_place.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/transcendental.h"
#include "autograd/ops/where.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/unary.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)

// self = fn(self), which the kernel computes where the elements stand when no history is recorded.
const Tensor& unary_in_place(const char* op, UnaryOp kernel, Domain domain, const Tensor& self,
                             Tensor (*fn)(TensorArg)) {
  result_dtype(op, domain, self.dtype());
  return in_place(
      op, self, {}, [&](const Tensor& old) { return fn(old); },
      [&](const Array& out) { kernels(out.device()).unary().run(kernel, out, out); });
}
const Tensor& unary_in_place(const char* op, UnaryOp kernel, const Tensor& self,
                             const ElementwiseParams& params,
                             FunctionRef<Tensor(const Tensor& old)> fn) {
  result_dtype(op, Domain::floating, self.dtype());
  return in_place(op, self, {}, fn, [&](const Array& out) {
    kernels(out.device()).unary().run(kernel, out, out, params);
  });
}

// self = fn(self, other). Where the result has self's dtype and shape, and other's elements are
// not among self's, the kernel computes it where the elements stand.
const Tensor& binary_in_place(const char* op, BinaryOp kernel, const Tensor& self,
                              const TensorArg& other, Tensor (*fn)(TensorArg, TensorArg)) {
  auto compute = [&](const Tensor& old) { return fn(old, other); };
  bool shares = self.data().storage() == other.data().storage();
  if (shares || self.dtype() != other.dtype() || !is_floating(self.dtype()) ||
      self.device() != other.device()) {
    return in_place(op, self, {other}, compute);
  }
  TESSERA_CHECK(broadcast_shapes(self.shape(), other.shape(), op) == self.shape(),
                "[{}] a result of shape {} does not fit into the tensor of shape {}", op,
                broadcast_shapes(self.shape(), other.shape(), op), self.shape());
  return in_place(op, self, {other}, compute, [&](const Array& out) {
    kernels(out.device()).binary().run(kernel, out, other.data().expand(out.shape()), out);
  });
}
const Tensor& number_in_place(const char* op, const Tensor& self, const Scalar& number,
                              Tensor (*fn)(TensorArg, Scalar)) {
  return in_place(op, self, {}, [&](const Tensor& old) { return fn(old, number); });
}
// self = scale self + shift
const Tensor& affine_in_place(const char* op, const Tensor& self, double scale, double shift,
                              const Scalar& number, Tensor (*fn)(TensorArg, Scalar)) {
  if (!is_floating(self.dtype())) return number_in_place(op, self, number, fn);
  return in_place(
      op, self, {}, [&](const Tensor& old) { return fn(old, number); },
      [&](const Array& out) { kernels(out.device()).binary().affine(out, scale, shift, out); });
}

}  // namespace

const Tensor& add_(SelfArg self, TensorArg other) {
  return binary_in_place("add_", BinaryOp::add, self, other, add);
}
const Tensor& add_(SelfArg self, Scalar other) {
  return affine_in_place("add_", self, 1, other.to<double>(), other, add);
}
const Tensor& add_(SelfArg self, TensorArg other, Scalar alpha) {
  return in_place("add_", self, {other}, [&](const Tensor& old) { return add(old, other, alpha); });
}
const Tensor& add_(SelfArg self, Scalar other, Scalar alpha) {
  return in_place("add_", self, {}, [&](const Tensor& old) { return add(old, other, alpha); });
}
const Tensor& sub_(SelfArg self, TensorArg other) {
  return binary_in_place("sub_", BinaryOp::sub, self, other, sub);
}
const Tensor& sub_(SelfArg self, Scalar other) {
  return affine_in_place("sub_", self, 1, -other.to<double>(), other, sub);
}
const Tensor& sub_(SelfArg self, TensorArg other, Scalar alpha) {
  return in_place("sub_", self, {other}, [&](const Tensor& old) { return sub(old, other, alpha); });
}
const Tensor& sub_(SelfArg self, Scalar other, Scalar alpha) {
  return in_place("sub_", self, {}, [&](const Tensor& old) { return sub(old, other, alpha); });
}
const Tensor& mul_(SelfArg self, TensorArg other) {
  return binary_in_place("mul_", BinaryOp::mul, self, other, mul);
}
const Tensor& mul_(SelfArg self, Scalar other) {
  return affine_in_place("mul_", self, other.to<double>(), -0.0, other, mul);
}
const Tensor& div_(SelfArg self, TensorArg other) {
  return binary_in_place("div_", BinaryOp::div, self, other, div);
}
const Tensor& div_(SelfArg self, Scalar other) { return number_in_place("div_", self, other, div); }
const Tensor& floor_divide_(SelfArg self, TensorArg other) {
  return binary_in_place("floor_divide_", BinaryOp::floor_divide, self, other, floor_divide);
}
const Tensor& floor_divide_(SelfArg self, Scalar other) {
  return number_in_place("floor_divide_", self, other, floor_divide);
}
const Tensor& remainder_(SelfArg self, TensorArg other) {
  return binary_in_place("remainder_", BinaryOp::remainder, self, other, remainder);
}
const Tensor& remainder_(SelfArg self, Scalar other) {
  return number_in_place("remainder_", self, other, remainder);
}
const Tensor& fmod_(SelfArg self, TensorArg other) {
  return binary_in_place("fmod_", BinaryOp::fmod, self, other, fmod);
}
const Tensor& fmod_(SelfArg self, Scalar other) {
  return number_in_place("fmod_", self, other, fmod);
}
const Tensor& pow_(SelfArg self, TensorArg other) {
  return binary_in_place("pow_", BinaryOp::pow, self, other, pow);
}
const Tensor& pow_(SelfArg self, Scalar other) { return number_in_place("pow_", self, other, pow); }
const Tensor& addcmul_(SelfArg self, TensorArg a, TensorArg b, Scalar value) {
  return in_place("addcmul_", self, {a, b},
                  [&](const Tensor& old) { return addcmul(old, a, b, value); });
}
const Tensor& addcdiv_(SelfArg self, TensorArg a, TensorArg b, Scalar value) {
  return in_place("addcdiv_", self, {a, b},
                  [&](const Tensor& old) { return addcdiv(old, a, b, value); });
}
const Tensor& lerp_(SelfArg self, TensorArg end, double weight) {
  return in_place("lerp_", self, {end}, [&](const Tensor& old) { return lerp(old, end, weight); });
}
const Tensor& atan2_(SelfArg self, TensorArg other) {
  return binary_in_place("atan2_", BinaryOp::atan2, self, other, atan2);
}
const Tensor& clamp_(SelfArg self, std::optional<Scalar> low, std::optional<Scalar> high) {
  return in_place("clamp_", self, {}, [&](const Tensor& old) { return clamp(old, low, high); });
}
const Tensor& clamp_(SelfArg self, TensorArg low, TensorArg high) {
  return in_place("clamp_", self, {low, high},
                  [&](const Tensor& old) { return clamp(old, low, high); });
}
const Tensor& masked_fill_(SelfArg self, TensorArg mask, Scalar value) {
  check_holds("masked_fill_", self.dtype(), value);
  return in_place("masked_fill_", self, {},
                  [&](const Tensor& old) { return masked_fill(old, mask, value); });
}
const Tensor& nan_to_num_(SelfArg self, double nan, std::optional<double> posinf,
                          std::optional<double> neginf) {
  return in_place("nan_to_num_", self, {},
                  [&](const Tensor& old) { return nan_to_num(old, nan, posinf, neginf); });
}
// What was there before has a gradient, of zeros.
const Tensor& fill_(SelfArg self, Scalar value) {
  check_holds("fill_", self.dtype(), value);
  return in_place(
      "fill_", self, {},
      [&](const Tensor& old) {
        return masked_fill(old, Array::full({}, 1, DType::boolean, old.device()), value);
      },
      [&](const Array& out) { out.copy_(beside(self, value, self.dtype())); });
}
const Tensor& zero_(SelfArg self) { return fill_(self, 0); }

const Tensor& neg_(SelfArg self) {
  return unary_in_place("neg_", UnaryOp::neg, Domain::numbers, self, neg);
}
const Tensor& abs_(SelfArg self) {
  return unary_in_place("abs_", UnaryOp::abs, Domain::numbers, self, abs);
}
const Tensor& sign_(SelfArg self) {
  return unary_in_place("sign_", UnaryOp::sign, Domain::any, self, sign);
}
const Tensor& square_(SelfArg self) {
  return unary_in_place("square_", UnaryOp::square, Domain::numbers, self, square);
}
const Tensor& sqrt_(SelfArg self) {
  return unary_in_place("sqrt_", UnaryOp::sqrt, Domain::floating, self, sqrt);
}
const Tensor& rsqrt_(SelfArg self) {
  return unary_in_place("rsqrt_", UnaryOp::rsqrt, Domain::floating, self, rsqrt);
}
const Tensor& reciprocal_(SelfArg self) {
  return unary_in_place("reciprocal_", UnaryOp::reciprocal, Domain::floating, self, reciprocal);
}
const Tensor& floor_(SelfArg self) {
  return unary_in_place("floor_", UnaryOp::floor, Domain::numbers, self, floor);
}
const Tensor& ceil_(SelfArg self) {
  return unary_in_place("ceil_", UnaryOp::ceil, Domain::numbers, self, ceil);
}
const Tensor& round_(SelfArg self) {
  return unary_in_place("round_", UnaryOp::round, Domain::numbers, self, round);
}
const Tensor& trunc_(SelfArg self) {
  return unary_in_place("trunc_", UnaryOp::trunc, Domain::numbers, self, trunc);
}
const Tensor& frac_(SelfArg self) {
  return unary_in_place("frac_", UnaryOp::frac, Domain::floating, self, frac);
}
const Tensor& exp_(SelfArg self) {
  return unary_in_place("exp_", UnaryOp::exp, Domain::floating, self, exp);
}
const Tensor& exp2_(SelfArg self) {
  return unary_in_place("exp2_", UnaryOp::exp2, Domain::floating, self, exp2);
}
const Tensor& expm1_(SelfArg self) {
  return unary_in_place("expm1_", UnaryOp::expm1, Domain::floating, self, expm1);
}
const Tensor& log_(SelfArg self) {
  return unary_in_place("log_", UnaryOp::log, Domain::floating, self, log);
}
const Tensor& log2_(SelfArg self) {
  return unary_in_place("log2_", UnaryOp::log2, Domain::floating, self, log2);
}
const Tensor& log10_(SelfArg self) {
  return unary_in_place("log10_", UnaryOp::log10, Domain::floating, self, log10);
}
const Tensor& log1p_(SelfArg self) {
  return unary_in_place("log1p_", UnaryOp::log1p, Domain::floating, self, log1p);
}
const Tensor& sin_(SelfArg self) {
  return unary_in_place("sin_", UnaryOp::sin, Domain::floating, self, sin);
}
const Tensor& cos_(SelfArg self) {
  return unary_in_place("cos_", UnaryOp::cos, Domain::floating, self, cos);
}
const Tensor& tan_(SelfArg self) {
  return unary_in_place("tan_", UnaryOp::tan, Domain::floating, self, tan);
}
const Tensor& asin_(SelfArg self) {
  return unary_in_place("asin_", UnaryOp::asin, Domain::floating, self, asin);
}
const Tensor& acos_(SelfArg self) {
  return unary_in_place("acos_", UnaryOp::acos, Domain::floating, self, acos);
}
const Tensor& atan_(SelfArg self) {
  return unary_in_place("atan_", UnaryOp::atan, Domain::floating, self, atan);
}
const Tensor& sinh_(SelfArg self) {
  return unary_in_place("sinh_", UnaryOp::sinh, Domain::floating, self, sinh);
}
const Tensor& cosh_(SelfArg self) {
  return unary_in_place("cosh_", UnaryOp::cosh, Domain::floating, self, cosh);
}
const Tensor& tanh_(SelfArg self) {
  return unary_in_place("tanh_", UnaryOp::tanh, Domain::floating, self, tanh);
}
const Tensor& asinh_(SelfArg self) {
  return unary_in_place("asinh_", UnaryOp::asinh, Domain::floating, self, asinh);
}
const Tensor& acosh_(SelfArg self) {
  return unary_in_place("acosh_", UnaryOp::acosh, Domain::floating, self, acosh);
}
const Tensor& atanh_(SelfArg self) {
  return unary_in_place("atanh_", UnaryOp::atanh, Domain::floating, self, atanh);
}
const Tensor& erf_(SelfArg self) {
  return unary_in_place("erf_", UnaryOp::erf, Domain::floating, self, erf);
}
const Tensor& erfc_(SelfArg self) {
  return unary_in_place("erfc_", UnaryOp::erfc, Domain::floating, self, erfc);
}
const Tensor& erfinv_(SelfArg self) {
  return unary_in_place("erfinv_", UnaryOp::erfinv, Domain::floating, self, erfinv);
}
const Tensor& lgamma_(SelfArg self) {
  return unary_in_place("lgamma_", UnaryOp::lgamma, Domain::floating, self, lgamma);
}
const Tensor& digamma_(SelfArg self) {
  return unary_in_place("digamma_", UnaryOp::digamma, Domain::floating, self, digamma);
}
const Tensor& logical_not_(SelfArg self) {
  return in_place("logical_not_", self, {}, [](const Tensor& old) { return logical_not(old); });
}
const Tensor& bitwise_not_(SelfArg self) {
  return in_place("bitwise_not_", self, {}, [](const Tensor& old) { return bitwise_not(old); });
}

const Tensor& sigmoid_(SelfArg self) {
  return unary_in_place("sigmoid_", UnaryOp::sigmoid, Domain::floating, self, sigmoid);
}
const Tensor& relu_(SelfArg self) {
  return unary_in_place("relu_", UnaryOp::relu, Domain::numbers, self, relu);
}
const Tensor& relu6_(SelfArg self) {
  return unary_in_place("relu6_", UnaryOp::relu6, Domain::numbers, self, relu6);
}
const Tensor& selu_(SelfArg self) {
  return unary_in_place("selu_", UnaryOp::selu, Domain::floating, self, selu);
}
const Tensor& silu_(SelfArg self) {
  return unary_in_place("silu_", UnaryOp::silu, Domain::floating, self, silu);
}
const Tensor& mish_(SelfArg self) {
  return unary_in_place("mish_", UnaryOp::mish, Domain::floating, self, mish);
}
const Tensor& hardswish_(SelfArg self) {
  return unary_in_place("hardswish_", UnaryOp::hardswish, Domain::floating, self, hardswish);
}
const Tensor& leaky_relu_(SelfArg self, double slope) {
  return unary_in_place("leaky_relu_", UnaryOp::leaky_relu, self, {slope, 0, 0},
                        [&](const Tensor& old) { return leaky_relu(old, slope); });
}
const Tensor& elu_(SelfArg self, double alpha) {
  return unary_in_place("elu_", UnaryOp::elu, self, {alpha, 0, 0},
                        [&](const Tensor& old) { return elu(old, alpha); });
}
const Tensor& celu_(SelfArg self, double alpha) {
  return unary_in_place("celu_", UnaryOp::celu, self, {alpha, 0, 0},
                        [&](const Tensor& old) { return celu(old, alpha); });
}
const Tensor& hardtanh_(SelfArg self, double low, double high) {
  if (!is_floating(self.dtype())) {
    return in_place("hardtanh_", self, {},
                    [&](const Tensor& old) { return hardtanh(old, low, high); });
  }
  return unary_in_place("hardtanh_", UnaryOp::clamp, self, {low, high, 0},
                        [&](const Tensor& old) { return hardtanh(old, low, high); });
}

}  // namespace tessera
