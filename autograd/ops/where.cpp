#include "autograd/ops/where.h"

#include <limits>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/shape.h"
#include "core/kernels.h"
#include "core/kernels/unary.h"
#include "core/kernels/where.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)

void check_mask(const char* op, const Tensor& mask, const Tensor& x) {
  TESSERA_CHECK(mask.dtype() == DType::boolean, "[{}] expected a mask of bool, got {}", op,
                mask.dtype());
  TESSERA_CHECK(mask.device() == x.device(), "[{}] expected one device, got {} and {}", op,
                mask.device(), x.device());
}

Array choose(const char* op, const Tensor& condition, const Array& a, const Array& b, DType dtype) {
  Dims shape = broadcast_shapes(condition.shape(), broadcast_shapes(a.shape(), b.shape(), op), op);
  Array out = Array::empty(shape, dtype, a.device());
  kernels(a.device())
      .where()
      .run(condition.data().expand(shape), a.expand(shape), b.expand(shape), out);
  return out;
}

// dy for the elements that win, half of it for equal ones.
Tensor winner_grad(const Tensor& dy, const Tensor& loses, const Tensor& equal) {
  return where(loses, 0, where(equal, dy * 0.5, dy));
}

template <class Loses>
Tensor extreme(const char* op, BinaryOp kernel, const TensorArg& a, const TensorArg& b,
               Loses loses) {
  return from_inputs(
      op, kernel, Domain::any, a, b,
      [loses](const Tensor& dy, const Tensor& a, const Tensor& b) {
        return winner_grad(dy, loses(a, b), eq(a, b));
      },
      [loses](const Tensor& dy, const Tensor& a, const Tensor& b) {
        return winner_grad(dy, loses(b, a), eq(a, b));
      });
}

// The same for functions that pass NaNs by: a has the gradient where both are one.
template <class Wins>
Tensor extreme_number(const char* op, BinaryOp kernel, const TensorArg& a, const TensorArg& b,
                      Wins wins) {
  return from_inputs(
      op, kernel, Domain::any, a, b,
      [wins](const Tensor& dy, const Tensor& a, const Tensor& b) {
        return winner_grad(dy, logical_not(logical_or(wins(a, b), isnan(b))), eq(a, b));
      },
      [wins](const Tensor& dy, const Tensor& a, const Tensor& b) {
        // b loses against an equal a: that it shares is asked first.
        return where(eq(a, b), dy * 0.5, where(logical_or(wins(a, b), isnan(b)), 0, dy));
      });
}

// The gradients of min(max(x, low), high): x shares with a bound that it is on, as PyTorch has it,
// but has all of it where both bounds are x.
Grads clamp_grads(const Tensor& dy, const Tensor& x, const Tensor& low, const Tensor& high,
                  const Node& node) {
  Tensor half = dy * 0.5;
  Tensor on_low = eq(x, low);
  Tensor on_high = eq(x, high);
  Tensor crossed = gt(low, high);
  Grads grads(3);
  if (node.wants(0)) {
    Tensor outside = logical_or(crossed, logical_or(lt(x, low), gt(x, high)));
    Tensor inside = where(logical_xor(on_low, on_high), half, dy);
    grads[0] = to_like(where(outside, 0, inside), Like(x));
  }
  if (node.wants(1)) {
    Tensor shared = where(logical_and(on_low, logical_not(on_high)), half, 0);
    Tensor dlow = where(lt(x, low), dy, shared);
    grads[1] = to_like(where(crossed, 0, dlow), Like(low));
  }
  if (node.wants(2)) {
    Tensor shared = where(logical_and(on_high, logical_not(on_low)), half, 0);
    Tensor dhigh = where(logical_or(crossed, gt(x, high)), dy, shared);
    grads[2] = to_like(dhigh, Like(high));
  }
  return grads;
}

// Integers beside integers, which a kernel for floating bounds would not keep apart. A bound beyond
// what dtype holds bounds nothing, unless it is the result.
Array clamp_integers(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high,
                     DType dtype) {
  auto [lowest, largest] = integer_range(dtype);
  int64_t top = high ? high->to<int64_t>() : largest;
  int64_t bottom = low ? low->to<int64_t>() : lowest;
  if (high) bottom = std::min(bottom, top);  // high wins
  if (top < lowest) check_holds("clamp", dtype, top);
  if (bottom > largest) check_holds("clamp", dtype, bottom);
  Array y = x.data();
  auto bounded = [&](BinaryOp by, int64_t bound) {
    y = binary_into("clamp", by, y, beside(x, bound, dtype), dtype);
  };
  if (low) bounded(BinaryOp::maximum, std::max(bottom, lowest));
  if (high) bounded(BinaryOp::minimum, std::min(top, largest));
  return y;
}

// dy where x is strictly between the bounds that there are, else 0.
Tensor between(const Tensor& dy, const Array& x, std::optional<double> low,
               std::optional<double> high) {
  Tensor inside;
  if (low) inside = gt(x, *low);
  if (high) inside = inside.defined() ? logical_and(inside, lt(x, *high)) : lt(x, *high);
  return where(inside, dy, 0);
}

double largest_finite(DType dtype) {
  if (dtype == DType::f64) return std::numeric_limits<double>::max();
  if (dtype == DType::f16) return 65504;
  if (dtype == DType::bf16) return 0x1.fep127;
  return std::numeric_limits<float>::max();
}

}  // namespace

Tensor where(TensorArg condition, TensorArg a, TensorArg b) {
  check_mask("where", condition, a);
  check_mask("where", condition, b);
  Array out = choose("where", condition, a.data(), b.data(), result_type(a.data(), b.data()));
  return record("where", out, {a, b},
                [scondition = SavedArray(condition.data()), a = Like(a), b = Like(b)](
                    const Tensor& dy, const Node& node) {
                  Array chosen = scondition.get(node.op());
                  return Grads{node.wants(0) ? to_like(where(chosen, dy, 0), a) : Tensor(),
                               node.wants(1) ? to_like(where(chosen, 0, dy), b) : Tensor()};
                });
}
Tensor where(TensorArg condition, TensorArg a, Scalar b) {
  check_mask("where", condition, a);
  DType dtype = result_type(a.data(), b);
  check_holds("where", dtype, b);
  Array out = choose("where", condition, a.data(), beside(a, b, dtype), dtype);
  return record(
      "where", out, {a},
      [scondition = SavedArray(condition.data()), a = Like(a)](const Tensor& dy, const Node& node) {
        return Grads{to_like(where(scondition.get(node.op()), dy, 0), a)};
      });
}
Tensor where(TensorArg condition, Scalar a, TensorArg b) {
  check_mask("where", condition, b);
  DType dtype = result_type(b.data(), a);
  check_holds("where", dtype, a);
  Array out = choose("where", condition, beside(b, a, dtype), b.data(), dtype);
  return record(
      "where", out, {b},
      [scondition = SavedArray(condition.data()), b = Like(b)](const Tensor& dy, const Node& node) {
        return Grads{to_like(where(scondition.get(node.op()), 0, dy), b)};
      });
}
Tensor where(TensorArg condition, Scalar a, Scalar b) {
  check_mask("where", condition, condition);
  DType dtype = promote_types(a.dtype(), b.dtype());
  return choose("where", condition, beside(condition, a, dtype), beside(condition, b, dtype),
                dtype);
}

Tensor masked_fill(TensorArg x, TensorArg mask, Scalar value) {
  check_mask("masked_fill", mask, x);
  check_holds("masked_fill", x.dtype(), value);
  Array out = choose("masked_fill", mask, beside(x, value, x.dtype()), x.data(), x.dtype());
  return record("masked_fill", out, {x},
                [smask = SavedArray(mask.data()), x = Like(x)](const Tensor& dy, const Node& node) {
                  return Grads{to_like(where(smask.get(node.op()), 0, dy), x)};
                });
}
Tensor masked_fill(TensorArg x, TensorArg mask, TensorArg value) {
  TESSERA_CHECK(value.dim() == 0, "[masked_fill] expected a 0-d value, got one of shape {}",
                value.shape());
  check_mask("masked_fill", mask, x);
  check_mask("masked_fill", mask, value);
  check_operands("masked_fill", {mask, x});
  Composed composed;
  return where(mask, to(value, x.dtype()), x);
}

Tensor maximum(TensorArg a, TensorArg b) {
  return extreme("maximum", BinaryOp::maximum, a, b,
                 [](const Tensor& own, const Tensor& other) { return lt(own, other); });
}
Tensor minimum(TensorArg a, TensorArg b) {
  return extreme("minimum", BinaryOp::minimum, a, b,
                 [](const Tensor& own, const Tensor& other) { return gt(own, other); });
}
Tensor fmax(TensorArg a, TensorArg b) {
  return extreme_number("fmax", BinaryOp::fmax, a, b,
                        [](const Tensor& a, const Tensor& b) { return ge(a, b); });
}
Tensor fmin(TensorArg a, TensorArg b) {
  return extreme_number("fmin", BinaryOp::fmin, a, b,
                        [](const Tensor& a, const Tensor& b) { return le(a, b); });
}

Tensor clamp(TensorArg x, std::optional<Scalar> low, std::optional<Scalar> high) {
  TESSERA_CHECK(low || high, "[clamp] expected at least one bound, got none");
  ResultType type;
  type.add(x.data());
  if (low) type.add(*low);
  if (high) type.add(*high);
  DType dtype = type.get();
  if (!is_floating(dtype)) return clamp_integers(x, low, high, dtype);
  std::optional<double> bottom = low ? std::optional(low->to<double>()) : std::nullopt;
  std::optional<double> top = high ? std::optional(high->to<double>()) : std::nullopt;
  Array out = Array::empty(x.shape(), dtype, x.device());
  ElementwiseParams bounds{bottom.value_or(-HUGE_VAL), top.value_or(HUGE_VAL), 0};
  kernels(x.device()).unary().run(UnaryOp::clamp, x.data(), out, bounds);
  return record("clamp", out, {x},
                [sx = Saved(x), bottom, top](const Tensor& dy, const Node& node) {
                  return Grads{between(dy, sx.array(node), bottom, top)};
                });
}
// From below first, so that high wins where low is above it.
Tensor clamp_between(const Tensor& x, const Tensor& low, Scalar high) {
  const Composed composed;
  DType dtype = result_type(x.data(), low.data(), high);
  Tensor bound = beside(x, high, dtype).to(dtype);
  return clamp(to(x, dtype), low, bound);
}
Tensor clamp_between(const Tensor& x, Scalar low, const Tensor& high) {
  const Composed composed;
  DType dtype = result_type(x.data(), high.data(), low);
  Tensor bound = beside(x, low, dtype).to(dtype);
  return clamp(to(x, dtype), bound, high);
}
Tensor clamp(TensorArg x, TensorArg low, TensorArg high) {
  TESSERA_CHECK(low.defined() || high.defined(), "[clamp] expected at least one bound, got none");
  auto below = [](const Tensor& own, const Tensor& other) { return lt(own, other); };
  auto above = [](const Tensor& own, const Tensor& other) { return gt(own, other); };
  if (!high.defined()) return extreme("clamp", BinaryOp::maximum, x, low, below);
  if (!low.defined()) return extreme("clamp", BinaryOp::minimum, x, high, above);
  check_operands("clamp", {x, low, high});
  DType dtype = result_type(x.data(), low.data(), high.data());
  Array y = binary_into("clamp", BinaryOp::maximum, x.data(), low.data(), dtype);
  y = binary_into("clamp", BinaryOp::minimum, y, high.data(), dtype);
  return record(
      "clamp", y, {x, low, high},
      [sx = Saved(x), sl = Saved(low), sh = Saved(high)](const Tensor& dy, const Node& node) {
        return clamp_grads(dy, sx.get(node), sl.get(node), sh.get(node), node);
      });
}

Tensor nan_to_num(TensorArg x, double nan, std::optional<double> posinf,
                  std::optional<double> neginf) {
  double largest = largest_finite(x.dtype());
  ElementwiseParams params{nan, posinf.value_or(largest), neginf.value_or(-largest)};
  return from_input(
      "nan_to_num", UnaryOp::nan_to_num, Domain::any, x,
      [](const Tensor& dy, const Tensor& x) { return where(isfinite(x), dy, 0); }, params);
}

}  // namespace tessera
