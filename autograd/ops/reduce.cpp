#include "autograd/ops/reduce.h"

#include <bit>
#include <limits>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/scan.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/fold.h"
#include "core/kernels/reduce.h"

namespace tessera {
namespace {

// The shape with sizes of 1 for the chosen dims.
Dims kept_shape(const Dims& shape, const std::vector<bool>& chosen) {
  Dims kept = shape;
  for (size_t d = 0; d < chosen.size(); ++d) {
    if (chosen[d]) kept[d] = 1;
  }
  return kept;
}

// The sum over the chosen dims, which are dropped, of f32 or f64. Leading dims are summed down the
// columns, any others along the rows of a copy that has them last; nothing is copied where elements
// repeat themselves.
Array sum_array(const Array& x, const std::vector<bool>& chosen) {
  Dims kept_shape;
  Dims kept;
  Dims summed;
  bool leading = true;
  for (size_t d = 0; d < chosen.size(); ++d) {
    if (chosen[d]) {
      leading = leading && kept.empty();
      summed.push_back(static_cast<int64_t>(d));
    } else {
      kept.push_back(static_cast<int64_t>(d));
      kept_shape.push_back(x.shape()[d]);
    }
  }
  if (summed.empty()) return x.clone();
  Array out = Array::empty(kept_shape, x.dtype(), x.device());
  Array flat = out.view({out.numel()});
  const ReduceFamily& reduce = kernels(x.device()).reduce();
  auto read = [](const Array& view) { return repeats_elements(view) ? view : view.contiguous(); };
  if (leading && !kept.empty()) {
    reduce.sum_columns(read(x), flat);
    return out;
  }
  Dims order = kept;
  for (int64_t d : summed) order.push_back(d);
  reduce.sum_rows(read(x.permute(order)), flat);
  return out;
}

// A fold of x, with the dims dropped or kept.
Array folded(FoldOp fold, const Tensor& x, const Lines& lines, bool keepdim, DType dtype) {
  Array out = Array::empty(lines.shape(1), dtype, x.device());
  kernels(x.device()).fold().run(fold, lines.folded(x.data()), out);
  return lines.reduced(Tensor(out), keepdim).data();
}

// x without the dims along which it repeats its elements: their sizes are 1.
Array distinct(Array x) {
  for (size_t d = 0; d < x.dim(); ++d) {
    if (x.strides()[d] == 0 && x.shape()[d] > 1) x = x.slice(static_cast<int64_t>(d), 0, 1);
  }
  return x;
}

// x as the operation on a given dtype takes it: elements that repeat themselves do so in it too.
Tensor converted(const Tensor& x, std::optional<DType> dtype) {
  if (!dtype || *dtype == x.dtype()) return x;
  if (!repeats_elements(x.data())) return to(x, *dtype);
  Array out = distinct(x.data()).to(*dtype).expand(x.shape());
  return record("to", out, {x},
                [from = x.dtype()](const Tensor& dy, const Node&) { return Grads{to(dy, from)}; });
}

// Of integers: computed in i64, and converted to the dtype that was asked for.
Tensor integer_result(FoldOp fold, const char* op, const Tensor& x, const DimsArg& dims,
                      bool keepdim, std::optional<DType> dtype) {
  Array out = folded(fold, x, Lines(op, x.shape(), dims), keepdim, DType::i64);
  return Tensor(out.to(dtype.value_or(DType::i64)));
}

// Whether sums of f32 or f64 overflowed, or were infinite anyhow: asked of the CPU's memory alone,
// where looking costs nothing.
bool has_infinity(const Array& sums) {
  if (sums.device().type != DeviceType::cpu) return false;
  return visit_dtype(sums.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_floating_point_v<T>) {
      // By their bits, which the compiler has vectors for.
      using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
      constexpr Bits kInfinity = std::bit_cast<Bits>(std::numeric_limits<T>::infinity()) << 1;
      const T* values = sums.data<T>();
      Bits found = 0;
      for (int64_t i = 0; i < sums.numel(); ++i) {
        found |= static_cast<Bits>(std::bit_cast<Bits>(values[i]) << 1 == kInfinity);
      }
      return found != 0;
    } else {
      return false;
    }
  });
}

Tensor truth(FoldOp fold, const char* op, const Tensor& x, const DimsArg& dims, bool keepdim) {
  Array out = folded(fold, x, Lines(op, x.shape(), dims), keepdim, DType::boolean);
  return Tensor(x.dtype() == DType::u8 ? out.to(DType::u8) : out);
}

}  // namespace

Tensor sum(TensorArg x, const DimsArg& dims, bool keepdim, std::optional<DType> dtype) {
  const Composed scope;
  Tensor terms = converted(x, dtype);
  if (!is_floating(terms.dtype())) {
    return integer_result(FoldOp::sum, "sum", terms, dims, keepdim, dtype);
  }
  std::vector<bool> chosen = chosen_dims("sum", dims, x.dim());
  Dims kept = kept_shape(x.shape(), chosen);
  Array out;
  if (terms.dtype() == DType::f32 || terms.dtype() == DType::f64) {
    out = sum_array(terms.data(), chosen);
    if (keepdim) out = out.reshape(kept);
  } else {
    out = folded(FoldOp::sum, terms, Lines("sum", x.shape(), dims), keepdim, terms.dtype());
  }
  return record("sum", out, {terms}, [kept, shape = x.shape()](const Tensor& dy, const Node&) {
    return Grads{expand(reshape(dy, kept), shape)};
  });
}

Tensor nansum(TensorArg x, const DimsArg& dims, bool keepdim, std::optional<DType> dtype) {
  const Composed scope;
  Tensor terms = converted(x, dtype);
  if (!is_floating(terms.dtype())) {
    return integer_result(FoldOp::sum, "nansum", terms, dims, keepdim, dtype);
  }
  Lines lines("nansum", x.shape(), dims);
  Dims kept = kept_shape(x.shape(), chosen_dims("nansum", dims, x.dim()));
  Array out = folded(FoldOp::nansum, terms, lines, keepdim, terms.dtype());
  return record("nansum", out, {terms},
                [kept, sx = Saved(terms)](const Tensor& dy, const Node& node) {
                  return Grads{reshape(dy, kept) * logical_not(isnan(sx.array(node)))};
                });
}

Tensor mean(TensorArg x, const DimsArg& dims, bool keepdim, std::optional<DType> dtype) {
  const Composed scope;
  DType result = dtype.value_or(x.dtype());
  TESSERA_CHECK(is_floating(result), "[mean] expected a floating dtype, got {}", result);
  auto count = static_cast<double>(Lines("mean", x.shape(), dims).n());
  Tensor terms = converted(x, result == DType::f64 ? DType::f64 : DType::f32);
  Tensor total = sum(terms, dims, keepdim);
  // A mean is within the range of its terms even where their sum is not.
  if (has_infinity(total.data())) total = sum(terms / count, dims, keepdim);
  else total = total / count;
  return to(total, result);
}

Tensor nanmean(TensorArg x, const DimsArg& dims, bool keepdim, std::optional<DType> dtype) {
  const Composed scope;
  DType result = dtype.value_or(x.dtype());
  TESSERA_CHECK(is_floating(x.dtype()) && is_floating(result),
                "[nanmean] expected a floating dtype, got x of {} and a result of {}", x.dtype(),
                result);
  chosen_dims("nanmean", dims, x.dim());
  DType wide = result == DType::f64 ? DType::f64 : DType::f32;
  Tensor terms = to(x, wide);
  Tensor count = to(sum(logical_not(isnan(terms)), dims, keepdim), wide);
  return to(nansum(terms, dims, keepdim) / count, result);
}

Tensor prod(TensorArg x, const DimsArg& dims, bool keepdim, std::optional<DType> dtype) {
  const Composed scope;
  Tensor factors = converted(x, dtype);
  if (!is_floating(factors.dtype())) {
    return integer_result(FoldOp::prod, "prod", factors, dims, keepdim, dtype);
  }
  Lines lines("prod", x.shape(), dims);
  Array y = Array::empty(lines.shape(1), factors.dtype(), x.device());
  kernels(x.device()).fold().run(FoldOp::prod, lines.folded(factors.data()), y);
  // dx[k] = dy * the product of all others, which no zero spoils.
  return record_fold(
      "prod", factors, lines, keepdim, y,
      [](const Tensor& x, const Tensor&, const Tensor& dy) { return dy * product_of_others(x); });
}

Tensor all(TensorArg x, const DimsArg& dims, bool keepdim) {
  return truth(FoldOp::all, "all", x, dims, keepdim);
}

Tensor any(TensorArg x, const DimsArg& dims, bool keepdim) {
  return truth(FoldOp::any, "any", x, dims, keepdim);
}

Tensor count_nonzero(TensorArg x, const DimsArg& dims, bool keepdim) {
  Lines lines("count_nonzero", x.shape(), dims);
  return Tensor(folded(FoldOp::count_nonzero, x, lines, keepdim, DType::i64));
}

Tensor sum_to(TensorArg x, const Dims& shape) {
  const Composed scope;
  if (x.shape() == shape) return x;
  TESSERA_CHECK(
      shape.size() <= x.dim() && broadcast_shapes(shape, x.shape(), "sum_to") == x.shape(),
      "[sum_to] expected a shape that broadcasts to {}, got {}", x.shape(), shape);
  Dims grown;
  size_t lead = x.dim() - shape.size();
  for (size_t d = 0; d < x.dim(); ++d) {
    if (d < lead || (shape[d - lead] == 1 && x.shape()[d] != 1)) {
      grown.push_back(static_cast<int64_t>(d));
    }
  }
  return reshape(sum(x, grown, true), shape);
}

}  // namespace tessera
