#include "autograd/ops/scatter_reduce.h"

#include <limits>

#include "autograd/in_place.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/stacking.h"

#include "autograd/record.h"
#include "core/creation.h"
#include "core/index.h"
#include "core/kernels.h"
#include "core/kernels/check.h"

namespace tessera {
namespace {

constexpr const char* kOp = "scatter_reduce";

struct How {
  int64_t dim;
  ScatterReduce reduce;
  bool include_self;
};

ScatterOp scatter_op(ScatterReduce reduce) {
  switch (reduce) {
    case ScatterReduce::prod: return ScatterOp::multiply;
    case ScatterReduce::amax: return ScatterOp::maximum;
    case ScatterReduce::amin: return ScatterOp::minimum;
    default: return ScatterOp::add;
  }
}

// What changes nothing when it is joined.
Array neutral(ScatterReduce reduce, DType dtype, Device device) {
  if (reduce == ScatterReduce::prod) return arrays::full({}, 1, dtype, device);
  bool extreme = reduce == ScatterReduce::amax || reduce == ScatterReduce::amin;
  if (!extreme) return Array::zeros({}, dtype, device);
  bool lowest = reduce == ScatterReduce::amax;
  Array out = Array::empty({}, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) {
      using Limits = std::numeric_limits<T>;
      *out.data<T>() = lowest ? Limits::lowest() : Limits::max();
    } else {
      *out.data<T>() = convert<T>(lowest ? -HUGE_VAL : HUGE_VAL);
    }
  });
  return out.to(device);
}

// How many elements are joined at each place of x, at least 1: of x's shape and dtype.
Array arrivals(const Array& x, const Array& index, const How& how) {
  Array count = arrays::full(x.shape(), how.include_self ? 1 : 0, x.dtype(), x.device());
  Array one = arrays::full({}, 1, x.dtype(), x.device());
  arrays::scatter_(count, how.dim, index, one.expand(index.shape()), ScatterOp::add, kOp);
  return maximum(Tensor(count), Tensor(one)).data();
}

// bf16 and f16 are joined in f32 and rounded once.
Array wide(const Array& x) {
  return is_floating(x.dtype()) ? x.to(compute_dtype_of(x.dtype())) : x;
}

Array forward(const Array& x_in, const Array& index, const Array& source, const How& how) {
  const NoGrad constant;
  Array x = wide(x_in);
  Array y = x.storage() == x_in.storage() ? x.clone() : x;
  if (!how.include_self) {
    Array start = neutral(how.reduce, y.dtype(), y.device());
    arrays::scatter_(y, how.dim, index, start.expand(index.shape()), ScatterOp::assign, kOp);
  }
  arrays::scatter_(y, how.dim, index, wide(source), scatter_op(how.reduce), kOp);
  if (how.reduce == ScatterReduce::mean) {
    Tensor count = arrivals(y, index, how);
    y = (is_floating(y.dtype()) ? Tensor(y) / count : floor_divide(Tensor(y), count)).data();
  }
  return y.to(x_in.dtype());
}

Tensor zeros_like_index(const Array& index, const Tensor& like) {
  return Tensor(Array::zeros(index.shape(), like.dtype(), like.device()));
}

// dx = dy / n and dsource = dy[index] / n; 16 bits do not hold every n.
Grads mean_grads(const Tensor& x, const Array& index, const Tensor& dy, const How& how) {
  Tensor share = to(dy / Tensor(arrivals(wide(x.data()), index, how)), x.dtype());
  return {share, gather(share, how.dim, index)};
}

// The gradient is shared by all that equal the result y.
Grads extreme_grads(const Tensor& x, const Array& index, const Tensor& source, const Tensor& y,
                    const Tensor& dy, const How& how) {
  Array at = gather(y.detach(), how.dim, index).data();
  Tensor own = to(same_elements(x.data(), y.data()), x.dtype());
  if (!how.include_self) own = scatter(own, how.dim, index, zeros_like_index(index, own));
  Tensor theirs = to(same_elements(source.data(), at), x.dtype());
  Tensor one = Array::full({}, 1, x.dtype(), x.device());
  Tensor share = dy / maximum(scatter_add(own, how.dim, index, theirs), one);
  return {own * share, theirs * gather(share, how.dim, index)};
}

// dx is dy times what arrives at x; dsource the product of all others, without a division by zero:
// where one zero meets a place, its gradient is made of the product with 1 instead, and that of the
// others is 0. In f64, which holds the product with an element and without it.
Grads prod_grads(const Tensor& x_in, const Array& index, const Tensor& source_in,
                 const Tensor& dy_in, const How& how) {
  Tensor x = to(x_in, DType::f64);
  Tensor source = to(source_in, DType::f64);
  Tensor dy = to(dy_in, DType::f64);
  auto joined = [&](const Tensor& own, const Tensor& theirs) {
    return scatter_reduce(own, how.dim, index, theirs, ScatterReduce::prod, how.include_self);
  };
  Tensor one(Array::full(x.shape(), 1, x.dtype(), x.device()));
  Tensor dx = dy * scatter_reduce(one, how.dim, index, source, ScatterReduce::prod);
  Tensor zero = eq(source.detach(), 0);
  Tensor none(Array::zeros(x.shape(), x.dtype(), x.device()));
  Tensor count = scatter_add(none, how.dim, index, to(zero, x.dtype()));
  Tensor meeting = gather(count, how.dim, index);
  if (context().grad_enabled) {
    kernels(meeting.device()).check().all(le(meeting, 1).data(), [](int64_t) {
      return "[scatter_reduce] its gradient cannot be differentiated where two zeros meet";
    });
  }
  Tensor alone = logical_and(zero, eq(meeting, 1));
  Tensor without = gather(dy * joined(x, masked_fill(source, alone, 1)), how.dim, index);
  Tensor with = gather(dy * joined(x, source), how.dim, index) / masked_fill(source, zero, 1);
  return {to(dx, x_in.dtype()), to(where(alone, without, with), x_in.dtype())};
}

// x and source (of index's shape) with their gradients. Where x does not count, it has none.
Tensor reduced(const Tensor& x, const Array& index, const Tensor& source, const How& how) {
  Array y = forward(x.data(), index, source.data(), how);
  return record(kOp, y, {x, source},
                [=, sx = Saved(x), ssource = Saved(source), sy = SavedResult(y),
                 at = SavedArray(index)](const Tensor& dy, const Node& node) {
                  Array index = at.get(node.op());
                  Tensor x = sx.get(node);
                  Grads grads;
                  switch (how.reduce) {
                    case ScatterReduce::sum: grads = {dy, gather(dy, how.dim, index)}; break;
                    case ScatterReduce::mean: grads = mean_grads(x, index, dy, how); break;
                    case ScatterReduce::prod:
                      grads = prod_grads(x, index, ssource.get(node), dy, how);
                      break;
                    default:
                      grads = extreme_grads(x, index, ssource.get(node), sy.get(node), dy, how);
                  }
                  if (!how.include_self) {
                    grads[0] = scatter(grads[0], how.dim, index, zeros_like_index(index, dy));
                  }
                  return grads;
                });
}

// The part of source that index names elements of.
Tensor part_of(const Tensor& source, const Dims& shape) {
  TESSERA_CHECK(source.dim() == shape.size(),
                "[scatter_reduce] expected a source of {} dims, as index has, got {} for index {}",
                shape.size(), source.shape(), shape);
  Tensor part = source;
  for (size_t d = 0; d < shape.size(); ++d) {
    TESSERA_CHECK(shape[d] <= source.shape()[d],
                  "[scatter_reduce] expected an index of at most the sizes of the source, got {} "
                  "for {}",
                  shape, source.shape());
    if (shape[d] < source.shape()[d]) part = narrow(part, static_cast<int64_t>(d), 0, shape[d]);
  }
  return part;
}

}  // namespace

Tensor scatter_reduce(TensorArg x, int64_t dim, TensorArg index, TensorArg source,
                      ScatterReduce reduce, bool include_self) {
  const Composed scope;
  TESSERA_CHECK(x.dtype() == source.dtype(),
                "[scatter_reduce] expected a source of {}, as x is, got {}", x.dtype(),
                source.dtype());
  TESSERA_CHECK(reduce != ScatterReduce::mean || x.dtype() != DType::boolean,
                "[scatter_reduce] expected numbers for a mean, got bool");
  Array at = arrays::wide_index(index.data(), kOp);
  auto d = static_cast<int64_t>(normalize_dim(dim, std::max<size_t>(x.dim(), 1), kOp));
  if (at.numel() == 0) return clone(x);
  return reduced(x, at, part_of(source, at.shape()), {d, reduce, include_self});
}

const Tensor& scatter_reduce_(SelfArg self, int64_t dim, TensorArg index, TensorArg source,
                              ScatterReduce reduce, bool include_self) {
  return in_place("scatter_reduce_", self, {source}, [&](const Tensor& old) {
    return scatter_reduce(old, dim, index, source, reduce, include_self);
  });
}

}  // namespace tessera
