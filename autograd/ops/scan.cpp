#include "autograd/ops/scan.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/scan.h"

namespace tessera {
namespace {

// Below, tensors are lines of (outer, n, inner), walked along the middle from the beginning or, if
// reverse, from the end. The element before k in that order is t[k - step].
int64_t step_of(bool reverse) { return reverse ? -1 : 1; }

Array empty_like(const Tensor& x, DType dtype) {
  return Array::empty(x.shape(), dtype, x.device());
}

DType summed_dtype(const Tensor& x) { return is_floating(x.dtype()) ? x.dtype() : DType::i64; }

Tensor recurrence_lines(const Tensor& a, const Tensor& b, bool reverse);

// dx is dy summed the other way.
Tensor cumsum_lines(const Tensor& x, bool reverse) {
  Array y = empty_like(x, summed_dtype(x));
  kernels(x.device()).scan().cumsum(x.data().contiguous(), reverse, y);
  return record("cumsum", y, {x}, [reverse](const Tensor& dy, const Node&) {
    return Grads{cumsum_lines(dy, !reverse)};
  });
}

// dx[k] = y[k - 1] g[k] with g[k] = dy[k] + x[k + 1] g[k + 1]: no division, so zeros are no matter.
Tensor cumprod_lines(const Tensor& x, bool reverse) {
  Array y = empty_like(x, summed_dtype(x));
  kernels(x.device()).scan().cumprod(x.data().contiguous(), reverse, y);
  return record("cumprod", y, {x},
                [reverse, sx = Saved(x), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  int64_t step = step_of(reverse);
                  Tensor g = recurrence_lines(shifted(sx.get(node), -step, 0), dy, !reverse);
                  return Grads{shifted(sy.get(node), step, 1) * g};
                });
}

// dx[k] = exp(x[k] - y[k]) g[k] with g[k] = dy[k] + exp(y[k] - y[k + 1]) g[k + 1]: y does not fall,
// so no exponent is positive. In f64 and with what rounding took from y: an error of each factor
// would grow with the length.
Tensor logcumsumexp_lines(const Tensor& x) {
  Array y = empty_like(x, x.dtype());
  Array rest = wants_record(InputRefs{x}) ? empty_like(x, DType::f64) : Array();
  kernels(x.device()).scan().logcumsumexp(x.data().contiguous(), y, rest);
  return record("logcumsumexp", y, {x},
                [sx = Saved(x), sy = SavedResult(y), srest = SavedArray(rest)](const Tensor& dy,
                                                                               const Node& node) {
                  const Composed scope;
                  Tensor rest(srest.get(node.op()));
                  Tensor y = to(sy.get(node), DType::f64);
                  Tensor next = (y - shifted(y, -1, INFINITY)) + (rest - shifted(rest, -1, 0));
                  Tensor g = recurrence_lines(exp(next), to(dy, DType::f64), true);
                  Tensor slope = exp((to(sx.get(node), DType::f64) - y) - rest);
                  return Grads{to(slope * g, dy.dtype())};
                });
}

// g[k] = dy[k] + a[k + 1] g[k + 1]; da[k] = y[k - 1] g[k]; db = g
Tensor recurrence_lines(const Tensor& a, const Tensor& b, bool reverse) {
  Array y = empty_like(b, b.dtype());
  kernels(b.device()).scan().recurrence(a.data().contiguous(), b.data().contiguous(), reverse, y);
  return record("linear_recurrence", y, {a, b},
                [reverse, sa = Saved(a), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  int64_t step = step_of(reverse);
                  Tensor g = recurrence_lines(shifted(sa.get(node), -step, 0), dy, !reverse);
                  Grads grads{Tensor(), g};
                  if (node.wants(0)) grads[0] = shifted(sy.get(node), step, 0) * g;
                  return grads;
                });
}

// Of integers: computed in i64, and converted to the dtype that was asked for.
Tensor as_asked(const Tensor& y, std::optional<DType> dtype) { return dtype ? to(y, *dtype) : y; }

ValuesIndices running_extreme(const char* op, bool largest, const Tensor& x, int64_t dim) {
  const Composed scope;
  Lines lines(op, x.shape(), dim);
  Array values = Array::empty(lines.shape(lines.n()), x.dtype(), x.device());
  Array indices = Array::empty(values.shape(), DType::i64, x.device());
  kernels(x.device()).scan().cumextreme(largest, lines.elements(x), values, indices);
  Dims shape = x.dim() == 0 ? Dims{1} : x.shape();
  Tensor out = record_selected(op, x, dim, values.view(shape), indices.view(shape));
  return {reshape(out, x.shape()), Tensor(indices.view(x.shape()))};
}

}  // namespace

Tensor cumsum(TensorArg x, int64_t dim, std::optional<DType> dtype) {
  const Composed scope;
  Lines lines("cumsum", x.shape(), dim);
  return as_asked(lines.back(cumsum_lines(lines.of(as_asked(x, dtype)), false)), dtype);
}

Tensor cumprod(TensorArg x, int64_t dim, std::optional<DType> dtype) {
  const Composed scope;
  Lines lines("cumprod", x.shape(), dim);
  return as_asked(lines.back(cumprod_lines(lines.of(as_asked(x, dtype)), false)), dtype);
}

ValuesIndices cummax(TensorArg x, int64_t dim) { return running_extreme("cummax", true, x, dim); }

ValuesIndices cummin(TensorArg x, int64_t dim) { return running_extreme("cummin", false, x, dim); }

Tensor logcumsumexp(TensorArg x, int64_t dim) {
  const Composed scope;
  TESSERA_CHECK(is_floating(x.dtype()), "[logcumsumexp] expected a floating dtype, got {}",
                x.dtype());
  Lines lines("logcumsumexp", x.shape(), dim);
  return lines.back(logcumsumexp_lines(lines.of(x)));
}

Tensor linear_recurrence(TensorArg a, TensorArg b, int64_t dim, bool reverse) {
  const Composed scope;
  TESSERA_CHECK(is_floating(a.dtype()) && a.dtype() == b.dtype(),
                "[linear_recurrence] expected one floating dtype, got {} and {}", a.dtype(),
                b.dtype());
  TESSERA_CHECK(a.shape() == b.shape(), "[linear_recurrence] expected one shape, got {} and {}",
                a.shape(), b.shape());
  Lines lines("linear_recurrence", a.shape(), dim);
  return lines.back(recurrence_lines(lines.of(a), lines.of(b), reverse));
}

Tensor product_of_others(TensorArg x) {
  const Composed scope;
  return cumprod_lines(shifted(x, 1, 1), false) * cumprod_lines(shifted(x, -1, 1), true);
}

}  // namespace tessera
