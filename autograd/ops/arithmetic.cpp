#include "autograd/ops/arithmetic.h"

#include "autograd/ops/compare.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/transcendental.h"
#include "autograd/ops/where.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)

// kernel(x, c) or, if `c_first`, kernel(c, x) where no gradient of its own is wanted.
Array with_number(const char* op, BinaryOp kernel, Domain domain, const Tensor& x, const Scalar& c,
                  bool c_first = false) {
  DType promoted = result_dtype(op, domain, result_type(x.data(), c));
  Array number = beside(x, c, promoted);
  return c_first ? binary_into(op, kernel, number, x.data(), promoted)
                 : binary_into(op, kernel, x.data(), number, promoted);
}

Array affine_array(const Tensor& x, double scale, double shift, DType dtype) {
  Array out = Array::empty(x.shape(), dtype, x.device());
  kernels(x.device()).binary().affine(x.data(), scale, shift, out);
  return out;
}

// scale x + shift for floating results; a shift of -0 leaves the product's sign alone.
Tensor affine_with(const char* op, const TensorArg& x, double scale, double shift, DType dtype) {
  return record(op, affine_array(x, scale, shift, dtype), {x},
                [scale](const Tensor& dy, const Node&) {
                  return Grads{scale == 1 ? dy : affine(dy, scale, -0.0)};
                });
}

Tensor sum_with_number(const char* op, BinaryOp kernel, const TensorArg& x, const Scalar& c) {
  DType dtype = result_type(x.data(), c);
  if (!is_floating(dtype)) {
    Domain domain = kernel == BinaryOp::sub ? Domain::numbers : Domain::any;
    return with_number(op, kernel, domain, x, c);
  }
  double shift = c.to<double>();
  return affine_with(op, x, 1, kernel == BinaryOp::sub ? -shift : shift, dtype);
}

void check_both_numbers(const char* op, const Tensor& x, const Scalar& c) {
  TESSERA_CHECK(x.dtype() != DType::boolean && c.kind() != Scalar::Kind::boolean,
                "[{}] expected numbers, got bool", op);
}

// kernel(x, c), where c is rounded to the dtype of a floating result: whether it divides x evenly
// depends on it, and PyTorch rounds here.
Array divided(const char* op, BinaryOp kernel, const Tensor& x, const Scalar& c) {
  DType promoted = result_dtype(op, Domain::numbers, result_type(x.data(), c));
  Array number = beside(x, c, promoted);
  if (is_floating(promoted)) number = number.to(promoted);
  return binary_into(op, kernel, x.data(), number, promoted);
}

// dx = dy for a in functions of the form a - b integer(a / b), with db = -dy integer(a / b).
template <class Quotient>
Tensor rest(const char* op, BinaryOp kernel, const TensorArg& a, const TensorArg& b,
            Quotient quotient) {
  return from_inputs(
      op, kernel, Domain::numbers, a, b,
      [](const Tensor& dy, const Tensor&, const Tensor&) { return dy; },
      [quotient](const Tensor& dy, const Tensor& a, const Tensor& b) {
        return neg(dy * quotient(a, b));
      });
}
Tensor rest(const char* op, BinaryOp kernel, const TensorArg& x, const Scalar& c) {
  return record(op, divided(op, kernel, x, c), {x},
                [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

Tensor whole_quotient(const char* op, BinaryOp kernel, const TensorArg& a, const TensorArg& b) {
  auto zero = [](const Tensor& dy, const Tensor&, const Tensor&) { return zeros_like(dy); };
  return from_inputs(op, kernel, Domain::numbers, a, b, zero, zero);
}
Tensor whole_quotient(const char* op, BinaryOp kernel, const TensorArg& x, const Scalar& c) {
  return record(op, divided(op, kernel, x, c), {x},
                [](const Tensor& dy, const Node&) { return Grads{zeros_like(dy)}; });
}

// kernel(c, x), c rounded as above.
Array divided_by(const char* op, BinaryOp kernel, const Scalar& c, const Tensor& x) {
  DType promoted = result_dtype(op, Domain::numbers, result_type(x.data(), c));
  return binary_into(op, kernel, beside(x, c, promoted).to(promoted), x.data(), promoted);
}

void check_alpha(const char* op, DType result, const Scalar& alpha) {
  TESSERA_CHECK(!alpha.is_floating() || is_floating(result),
                "[{}] expected an alpha of integers for a result of {}, got {}", op, result,
                alpha.to<double>());
  TESSERA_CHECK(alpha.kind() != Scalar::Kind::boolean || result == DType::boolean,
                "[{}] expected an alpha of numbers for a result of {}, got bool", op, result);
}

// fn(a, alpha b) in the dtype that a and b promote to; 16-bit floats in f32.
Tensor with_alpha(const char* op, Tensor (*fn)(TensorArg, TensorArg), const TensorArg& a,
                  const TensorArg& b, const Scalar& alpha) {
  const Composed composed;
  DType result = result_type(a.data(), b.data());
  check_alpha(op, result, alpha);
  if (result == DType::boolean) return alpha.to<bool>() ? fn(a, b) : fn(a, zeros_like(b));
  bool is_half = is_floating(result) && item_size(result) == 2;
  DType compute = is_half ? DType::f32 : result;
  return to(fn(to(a, compute), mul(to(b, compute), alpha)), result);
}

// alpha c as one number: exact where both are integers.
Scalar scaled_number(const char* op, const Tensor& x, const Scalar& c, const Scalar& alpha) {
  DType result = result_type(x.data(), c);
  check_alpha(op, result, alpha);
  if (result == DType::boolean) return c.to<bool>() && alpha.to<bool>();
  if (c.is_floating() || alpha.is_floating()) return c.to<double>() * alpha.to<double>();
  auto product =
      static_cast<uint64_t>(c.to<int64_t>()) * static_cast<uint64_t>(alpha.to<int64_t>());
  return static_cast<int64_t>(product);
}

// x^power for the powers that have a function of their own; undefined for others.
Array common_power(const Tensor& x, double power) {
  if (power == 1) return x.data().clone();
  if (power == 2) return unary("pow", UnaryOp::square, Domain::any, x);
  if (!is_floating(x.dtype())) return {};
  if (power == 0.5) return unary("pow", UnaryOp::sqrt, Domain::real, x);
  if (power == -0.5) return unary("pow", UnaryOp::rsqrt, Domain::real, x);
  if (power == -1) return unary("pow", UnaryOp::reciprocal, Domain::real, x);
  return {};
}

// What a formula of several operands is computed in: all of them promoted together, so that no part
// of it is rounded to less than the result; 16-bit floats in f32, and rounded once.
struct Together {
  DType result;

  Together(const char* op, DType promoted, InputRefs operands) : result(promoted) {
    check_operands(op, operands);
  }
  Tensor operator()(const Tensor& x) const { return widened(x, result); }
  Tensor rounded(const Tensor& y) const { return converted(y, result); }
};

bool all_finite(const Tensor& x) {
  // Elsewhere the host would have to wait for the answer.
  return x.device().type == DeviceType::cpu && all(isfinite(x)).data().item<bool>();
}

// end share, and 0 for a share of 0 whatever the end is.
Tensor part(const Tensor& end, double share) { return share == 0 ? zeros_like(end) : end * share; }
Tensor part(const Tensor& end, const Tensor& share) { return where(eq(share, 0), 0, end * share); }

// y = a + w (b - a), but where that is not finite a (1 - w) + b w: an infinite end and a difference
// of finite ends that is none would spoil the first.
template <class Weight>
Tensor mended(const Tensor& y, const Tensor& a, const Tensor& b, const Weight& w) {
  if (all_finite(y)) return y;
  return where(isfinite(y), y, part(a, 1 - w) + part(b, w));
}

}  // namespace

Tensor add(TensorArg a, TensorArg b) {
  return record("add", binary("add", BinaryOp::add, Domain::any, a.data(), b.data()), {a, b},
                [a = Like(a), b = Like(b)](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? to_like(dy, a) : Tensor(),
                               node.wants(1) ? to_like(dy, b) : Tensor()};
                });
}
Tensor add(TensorArg x, Scalar c) { return sum_with_number("add", BinaryOp::add, x, c); }
Tensor add(TensorArg a, TensorArg b, Scalar alpha) { return with_alpha("add", add, a, b, alpha); }
Tensor add(TensorArg x, Scalar c, Scalar alpha) {
  return add(x, scaled_number("add", x, c, alpha));
}

Tensor sub(TensorArg a, TensorArg b) {
  TESSERA_CHECK(a.dtype() != DType::boolean && b.dtype() != DType::boolean,
                "[sub] expected numbers, got bool");
  return record("sub", binary("sub", BinaryOp::sub, Domain::numbers, a.data(), b.data()), {a, b},
                [a = Like(a), b = Like(b)](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? to_like(dy, a) : Tensor(),
                               node.wants(1) ? to_like(neg(dy), b) : Tensor()};
                });
}
Tensor sub(TensorArg x, Scalar c) {
  check_both_numbers("sub", x, c);
  return sum_with_number("sub", BinaryOp::sub, x, c);
}
Tensor sub(Scalar c, TensorArg x) {
  check_both_numbers("sub", x, c);
  DType dtype = result_type(x.data(), c);
  if (is_floating(dtype)) return affine_with("sub", x, -1, c.to<double>(), dtype);
  return with_number("sub", BinaryOp::sub, Domain::numbers, x, c, true);
}

Tensor sub(TensorArg a, TensorArg b, Scalar alpha) {
  TESSERA_CHECK(a.dtype() != DType::boolean && b.dtype() != DType::boolean,
                "[sub] expected numbers, got bool");
  return with_alpha("sub", sub, a, b, alpha);
}
Tensor sub(TensorArg x, Scalar c, Scalar alpha) {
  check_both_numbers("sub", x, c);
  return sub(x, scaled_number("sub", x, c, alpha));
}

Tensor mul(TensorArg a, TensorArg b) {
  return record(
      "mul", binary("mul", BinaryOp::mul, Domain::any, a.data(), b.data()), {a, b},
      [sa = Saved(a), sb = Saved(b), a = Like(a), b = Like(b)](const Tensor& dy, const Node& node) {
        return Grads{node.wants(0) ? to_like(dy * sb.get(node), a) : Tensor(),
                     node.wants(1) ? to_like(dy * sa.get(node), b) : Tensor()};
      });
}
Tensor mul(TensorArg x, Scalar c) {
  DType dtype = result_type(x.data(), c);
  if (is_floating(dtype)) return affine_with("mul", x, c.to<double>(), -0.0, dtype);
  return with_number("mul", BinaryOp::mul, Domain::any, x, c);
}

// da = dy / b; db = -dy a / b^2
Tensor div(TensorArg a, TensorArg b) {
  return record(
      "div", binary("div", BinaryOp::div, Domain::real, a.data(), b.data()), {a, b},
      [sa = Saved(a), sb = Saved(b), a = Like(a), b = Like(b)](const Tensor& dy, const Node& node) {
        Tensor divisor = widened(sb.get(node), dy.dtype());
        Tensor da = widened(dy, dy.dtype()) / divisor;
        Grads grads(2);
        if (node.wants(0)) grads[0] = to_like(da, a);
        if (node.wants(1)) grads[1] = to_like(neg(da * (sa.get(node) / divisor)), b);
        return grads;
      });
}
// Divides: the bits differ from those of a product with 1 / c.
Tensor div(TensorArg x, Scalar c) {
  return record("div", with_number("div", BinaryOp::div, Domain::real, x, c), {x},
                [c](const Tensor& dy, const Node&) { return Grads{div(dy, c)}; });
}
Tensor div(Scalar c, TensorArg x) {
  Array y = with_number("div", BinaryOp::div, Domain::real, x, c, true);
  return record("div", y, {x},
                [sx = Saved(x), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  return Grads{neg(dy * sy.get(node) / sx.get(node))};
                });
}

Tensor floor_divide(TensorArg a, TensorArg b) {
  return whole_quotient("floor_divide", BinaryOp::floor_divide, a, b);
}
Tensor floor_divide(TensorArg x, Scalar c) {
  return whole_quotient("floor_divide", BinaryOp::floor_divide, x, c);
}
Tensor floor_divide(Scalar c, TensorArg x) {
  return record("floor_divide", divided_by("floor_divide", BinaryOp::floor_divide, c, x), {x},
                [](const Tensor& dy, const Node&) { return Grads{zeros_like(dy)}; });
}
Tensor trunc_divide(TensorArg a, TensorArg b) {
  return whole_quotient("trunc_divide", BinaryOp::trunc_divide, a, b);
}
Tensor trunc_divide(TensorArg x, Scalar c) {
  return whole_quotient("trunc_divide", BinaryOp::trunc_divide, x, c);
}

Tensor remainder(TensorArg a, TensorArg b) {
  return rest("remainder", BinaryOp::remainder, a, b,
              [](const Tensor& a, const Tensor& b) { return floor_divide(a, b); });
}
Tensor remainder(TensorArg x, Scalar c) { return rest("remainder", BinaryOp::remainder, x, c); }
// dx = -dy floor(c / x)
Tensor remainder(Scalar c, TensorArg x) {
  return record("remainder", divided_by("remainder", BinaryOp::remainder, c, x), {x},
                [sx = Saved(x), c](const Tensor& dy, const Node& node) {
                  return Grads{neg(dy * floor_divide(c, sx.get(node)))};
                });
}
Tensor fmod(TensorArg a, TensorArg b) {
  return rest("fmod", BinaryOp::fmod, a, b,
              [](const Tensor& a, const Tensor& b) { return trunc_divide(a, b); });
}
Tensor fmod(TensorArg x, Scalar c) { return rest("fmod", BinaryOp::fmod, x, c); }

Tensor affine(TensorArg x, double scale, double shift) {
  return affine_with("affine", x, scale, shift,
                     result_dtype("affine", Domain::floating, x.dtype()));
}

Tensor addcmul(TensorArg x, TensorArg a, TensorArg b, Scalar value) {
  Composed composed;
  Together in("addcmul", result_type(x.data(), a.data(), b.data(), value), {x, a, b});
  return in.rounded(in(x) + mul(in(a), in(b)) * value);
}
Tensor addcdiv(TensorArg x, TensorArg a, TensorArg b, Scalar value) {
  Composed composed;
  DType promoted = result_type(x.data(), a.data(), b.data(), value);
  Together in("addcdiv", floating_type(promoted), {x, a, b});
  return in.rounded(in(x) + div(in(a), in(b)) * value);
}

// da = dy (1 - w), db = dy w
Tensor lerp(TensorArg a, TensorArg b, double weight) {
  const Composed scope;
  Together in("lerp", floating_type(result_type(a.data(), b.data())), {a, b});
  Tensor y;
  {
    const NoGrad constant;
    Tensor start = in(a);
    Tensor end = in(b);
    Tensor way = end - start;
    y = weight < 0.5 ? start + way * weight : end - way * (1 - weight);
    y = in.rounded(mended(y, start, end, weight));
  }
  return record("lerp", y.data(), {a, b},
                [a = Like(a), b = Like(b), weight](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? to_like(dy * (1 - weight), a) : Tensor(),
                               node.wants(1) ? to_like(dy * weight, b) : Tensor()};
                });
}
// da = dy (1 - w), db = dy w, dw = dy (b - a)
Tensor lerp(TensorArg a, TensorArg b, TensorArg weight) {
  const Composed scope;
  DType promoted = result_type(a.data(), b.data(), weight.data());
  Together in("lerp", floating_type(promoted), {a, b, weight});
  Tensor y;
  {
    const NoGrad constant;
    Tensor start = in(a);
    Tensor end = in(b);
    Tensor w = in(weight);
    Tensor way = end - start;
    y = where(lt(abs(w), 0.5), start + w * way, end - way * (1 - w));
    y = in.rounded(mended(y, start, end, w));
  }
  return record(
      "lerp", y.data(), {a, b, weight},
      [sa = Saved(a), sb = Saved(b), sw = Saved(weight)](const Tensor& grad, const Node& node) {
        Tensor a = sa.get(node);
        Tensor b = sb.get(node);
        Tensor w = sw.get(node);
        Tensor dy = widened(grad, grad.dtype());
        Tensor share = widened(w, grad.dtype());
        Grads grads(3);
        if (node.wants(0)) grads[0] = to_like(dy * (1 - share), Like(a));
        if (node.wants(1)) grads[1] = to_like(dy * share, Like(b));
        if (node.wants(2)) {
          Tensor way = widened(b, grad.dtype()) - widened(a, grad.dtype());
          grads[2] = to_like(dy * way, Like(w));
        }
        return grads;
      });
}

// da = dy b a^(b - 1), 0 where b is; db = dy y log(a), 0 where a is 0 and b is not negative. There
// the base is taken for 1, so that no infinity is multiplied by 0, here or in a further gradient.
Tensor pow(TensorArg a, TensorArg b) {
  return from_inputs(
      "pow", BinaryOp::pow, Domain::numbers, a, b,
      [](const Tensor& dy, const Tensor& a, const Tensor& b) {
        Tensor spoils = logical_and(eq(b, 0), logical_not(isfinite(reciprocal(a.detach()))));
        return dy * (b * pow(where(spoils, 1, a), b - 1));
      },
      [](const Tensor& dy, const Tensor& a, const Tensor& b) {
        Tensor base = where(logical_and(eq(a, 0), ge(b, 0)), 1, a);
        return dy * (pow(base, b) * log(base));
      });
}
// dx = dy p x^(p - 1)
Tensor pow(TensorArg x, Scalar power) {
  double p = power.to<double>();
  bool keeps_dtype = result_type(x.data(), power) == x.dtype();
  Array y = keeps_dtype ? common_power(x, p) : Array();
  if (!y.defined()) y = with_number("pow", BinaryOp::pow, Domain::numbers, x, power);
  return record("pow", y, {x}, [sx = Saved(x), p](const Tensor& dy, const Node& node) {
    if (p == 0) return Grads{zeros_like(dy)};
    return Grads{rounded_once(dy, sx.get(node), [p](const Tensor& dy, const Tensor& x) {
      return dy * (pow(x, p - 1) * p);
    })};
  });
}
// dx = dy y log(base), 0 where base is 0 and x is not negative.
Tensor pow(Scalar base, TensorArg x) {
  Array y = with_number("pow", BinaryOp::pow, Domain::numbers, x, base, true);
  double b = base.to<double>();
  return record(
      "pow", y, {x}, [sx = Saved(x), sy = SavedResult(y), b](const Tensor& dy, const Node& node) {
        auto slope_of = [b](const Tensor& dy, const Tensor& y) { return dy * (y * std::log(b)); };
        if (b != 0) return Grads{rounded_once(dy, sy.get(node), slope_of)};
        Tensor flat = ge(sx.get(node), 0);
        Tensor slope = where(flat, 1, sy.get(node)) * -HUGE_VAL;
        return Grads{dy * where(flat, 0, slope)};
      });
}

// Counts for bool.
Tensor square(TensorArg x) {
  if (x.dtype() == DType::boolean) {
    return unary("square", UnaryOp::square, Domain::any, x.data().to(DType::i64));
  }
  return from_input("square", UnaryOp::square, Domain::numbers, x,
                    [](const Tensor& dy, const Tensor& x) { return dy * affine(x, 2, -0.0); });
}
// dx = dy / (2 y)
Tensor sqrt(TensorArg x) {
  return from_result("sqrt", UnaryOp::sqrt, Domain::real, x,
                     [](const Tensor& dy, const Tensor& y) { return dy / affine(y, 2, -0.0); });
}
// dx = -dy y^3 / 2
Tensor rsqrt(TensorArg x) {
  return from_result("rsqrt", UnaryOp::rsqrt, Domain::real, x,
                     [](const Tensor& dy, const Tensor& y) { return dy * -0.5 * pow(y, 3); });
}
// dx = -dy y^2
Tensor reciprocal(TensorArg x) {
  return from_result("reciprocal", UnaryOp::reciprocal, Domain::real, x,
                     [](const Tensor& dy, const Tensor& y) { return neg(dy * square(y)); });
}

Tensor neg(TensorArg x) {
  return record("neg", unary("neg", UnaryOp::neg, Domain::numbers, x), {x},
                [](const Tensor& dy, const Node&) { return Grads{neg(dy)}; });
}
Tensor abs(TensorArg x) {
  return from_input("abs", UnaryOp::abs, Domain::numbers, x,
                    [](const Tensor& dy, const Tensor& x) { return dy * sign(x); });
}
Tensor sign(TensorArg x) { return flat("sign", UnaryOp::sign, Domain::any, x); }
Tensor floor(TensorArg x) { return flat("floor", UnaryOp::floor, Domain::numbers, x); }
Tensor ceil(TensorArg x) { return flat("ceil", UnaryOp::ceil, Domain::numbers, x); }
Tensor round(TensorArg x) { return flat("round", UnaryOp::round, Domain::numbers, x); }
Tensor trunc(TensorArg x) { return flat("trunc", UnaryOp::trunc, Domain::numbers, x); }
Tensor frac(TensorArg x) {
  return record("frac", unary("frac", UnaryOp::frac, Domain::floating, x), {x},
                [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

}  // namespace tessera
