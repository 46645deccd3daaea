#include "autograd/ops/reduce.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/scan.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"

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
// columns, any others along the rows of a copy that has them last.
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
  int64_t columns = out.numel();
  int64_t rows = columns == 0 ? 0 : x.numel() / columns;
  const ReduceFamily& reduce = kernels(x.device()).reduce();
  if (leading && !kept.empty()) {
    reduce.sum_columns(x.contiguous().view({rows, columns}), out.view({columns}));
    return out;
  }
  Dims order = kept;
  for (int64_t d : summed) order.push_back(d);
  reduce.sum_rows(x.permute(order).contiguous().view({columns, rows}), out.view({columns}));
  return out;
}

// A fold of x, with the dims dropped or kept.
Array folded(FoldOp fold, const Tensor& x, const Lines& lines, bool keepdim, DType dtype) {
  Array out = Array::empty(lines.shape(1), dtype, x.device());
  kernels(x.device()).fold().run(fold, lines.elements(x), out);
  return lines.reduced(Tensor(out), keepdim).data();
}

// x as the operation on a given dtype takes it.
Tensor converted(const Tensor& x, std::optional<DType> dtype) { return dtype ? to(x, *dtype) : x; }

// Of integers: computed in i64, and converted to the dtype that was asked for.
Tensor integer_result(FoldOp fold, const char* op, const Tensor& x, const DimsArg& dims,
                      bool keepdim, std::optional<DType> dtype) {
  Array out = folded(fold, x, Lines(op, x.shape(), dims), keepdim, DType::i64);
  return Tensor(out.to(dtype.value_or(DType::i64)));
}

// x: (outer, n, inner); the result: (outer, 1, inner). dx[k] = dy * the product of all others,
// which no zero spoils.
Tensor prod_lines(const Tensor& x) {
  Array y = Array::empty({x.size(0), 1, x.size(2)}, x.dtype(), x.device());
  kernels(x.device()).fold().run(FoldOp::prod, x.data().contiguous(), y);
  return record("prod", y, {x}, [sx = Saved(x)](const Tensor& dy, const Node& node) {
    return Grads{dy * product_of_others(sx.get(node))};
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
  Tensor terms = to(x, result == DType::f64 ? DType::f64 : DType::f32);
  return to(sum(terms, dims, keepdim) / count, result);
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
  return lines.reduced(prod_lines(lines.of(factors)), keepdim);
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
  if (x.shape() == shape) return x;
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
