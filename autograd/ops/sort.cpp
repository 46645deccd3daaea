#include "autograd/ops/sort.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/index.h"
#include "core/kernels.h"

namespace tessera {
namespace {

// x with one dim last, as rows for the kernels.
class Rows {
 public:
  Rows(const char* op, const Tensor& x, int64_t dim) : shape_(x.shape()), device_(x.device()) {
    if (shape_.empty()) shape_ = {1};
    dim_ = static_cast<int64_t>(line_dim(dim, x.dim(), op));
    x_ = x.data().reshape(shape_).transpose(dim_, -1).contiguous();
    rows_ = 1;
    for (size_t d = 0; d < shape_.size(); ++d) {
      if (d != static_cast<size_t>(dim_)) rows_ *= shape_[d];
    }
  }

  int64_t size() const { return shape_[static_cast<size_t>(dim_)]; }
  int64_t dim() const { return dim_; }
  Array elements() const { return x_.view({rows_, size()}); }
  // For results of m elements per row.
  Array results(int64_t m, DType dtype) const { return Array::empty({rows_, m}, dtype, device_); }
  // Such results with the dim where it was.
  Array back(const Array& results) const {
    Dims shape = x_.shape();
    shape.back() = results.size(1);
    return results.view(shape).transpose(dim_, -1).contiguous();
  }

 private:
  Dims shape_;
  Device device_;
  int64_t dim_;
  Array x_;
  int64_t rows_;
};

// What select(rows, values, indices) finds: m elements of each row.
template <class Select>
ValuesIndices selected(const char* op, const Tensor& x, const Rows& rows, int64_t m,
                       Select select) {
  Array values = rows.results(m, x.dtype());
  Array indices = rows.results(m, DType::i64);
  select(rows.elements(), values, indices);
  Array where = rows.back(indices);
  return {record_selected(op, x, rows.dim(), rows.back(values), where), Tensor(where)};
}

// The same for one element of each row, with the dim dropped or kept.
template <class Select>
ValuesIndices selected_one(const char* op, const Tensor& x, int64_t dim, bool keepdim,
                           Select select) {
  const Composed scope;
  Rows rows(op, x, dim);
  TESSERA_CHECK(rows.size() > 0,
                "[{}] expected elements to choose from, got none along dim {} of {}", op, dim,
                x.shape());
  ValuesIndices found = selected(op, x, rows, 1, select);
  Lines lines(op, x.shape(), dim);
  return {lines.reduced(found.values, keepdim), lines.reduced(found.indices, keepdim)};
}

const SortFamily& sorting(const Tensor& x) { return kernels(x.device()).sort(); }

ValuesIndices median_along(const char* op, bool skip_nan, const Tensor& x, int64_t dim,
                           bool keepdim) {
  return selected_one(op, x, dim, keepdim, [&](const Array& rows, const Array& v, const Array& i) {
    sorting(x).median(rows, skip_nan, v, i);
  });
}

Tensor median_of_all(const char* op, bool skip_nan, const Tensor& x) {
  const Composed scope;
  TESSERA_CHECK(x.numel() > 0 || is_floating(x.dtype()),
                "[{}] expected elements to choose from, got {} of {}", op, x.shape(), x.dtype());
  Tensor flat = reshape(x, {1, x.numel(), 1});
  Array y = Array::full({1}, NAN, x.dtype(), x.device());
  if (x.numel() > 0) {
    Array index = Array::empty({1}, DType::i64, x.device());
    sorting(x).median(flat.data().contiguous().view({1, x.numel()}), skip_nan, y, index);
  }
  return reshape(record_shared(op, flat, y.view({1, 1, 1})), {});
}

// One quantile of tensors sorted along dim, which stays as a size of 1.
Tensor quantile_of_sorted(const Tensor& sorted, double q, int64_t dim, QuantileMethod method) {
  double place = q * static_cast<double>(sorted.size(dim) - 1);
  auto low = static_cast<int64_t>(place);
  double weight = place - static_cast<double>(low);
  switch (method) {
    case QuantileMethod::linear: break;
    case QuantileMethod::lower: weight = 0; break;
    case QuantileMethod::higher: weight = weight > 0 ? 1 : 0; break;
    case QuantileMethod::midpoint: weight = weight > 0 ? 0.5 : 0; break;
    case QuantileMethod::nearest: weight = std::nearbyint(place) - static_cast<double>(low); break;
  }
  if (weight == 1) return narrow(sorted, dim, low + 1, 1);
  Tensor below = narrow(sorted, dim, low, 1);
  if (weight == 0) return below;
  return below + (narrow(sorted, dim, low + 1, 1) - below) * weight;
}

// NaN where x is NaN, else 0.
Tensor nan_or_zero(const Array& x) {
  const Kernels& kernel = kernels(x.device());
  Array nan = Array::empty(x.shape(), DType::boolean, x.device());
  kernel.unary().run(UnaryOp::isnan, x, nan);
  Array out = Array::empty(x.shape(), x.dtype(), x.device());
  Array zero = Array::full({}, 0, x.dtype(), x.device()).expand(x.shape());
  kernel.where().run(nan, x, zero, out);
  return Tensor(out);
}

std::vector<Tensor> quantiles(const Tensor& x, const std::vector<double>& qs,
                              std::optional<int64_t> dim, bool keepdim, QuantileMethod method) {
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[quantile] expected f32 or f64, got {}", x.dtype());
  Lines lines("quantile", x.shape(), dim ? DimsArg(*dim) : DimsArg());
  TESSERA_CHECK(lines.n() > 0, "[quantile] expected elements to choose from, got {}", x.shape());
  Tensor sorted = sort(lines.of(x), 1).values;
  Tensor nan = nan_or_zero(sorted.data().slice(1, lines.n() - 1, lines.n()));
  std::vector<Tensor> out;
  for (double q : qs) {
    TESSERA_CHECK(q >= 0 && q <= 1, "[quantile] expected q in [0, 1], got {}", q);
    out.push_back(lines.reduced(quantile_of_sorted(sorted, q, 1, method) + nan, keepdim));
  }
  return out;
}

// For sorted elements: whether each differs from the one before it.
Array begins_run(const Array& sorted) {
  Array out = Array::full(sorted.shape(), 1, DType::boolean, sorted.device());
  int64_t n = sorted.numel();
  if (n > 1) {
    kernels(sorted.device())
        .binary()
        .run(BinaryOp::ne, sorted.slice(0, 1, n), sorted.slice(0, 0, n - 1), out.slice(0, 1, n));
  }
  return out;
}

Array subtract(const Array& a, const Array& b) {
  Array out = Array::empty(a.shape(), a.dtype(), a.device());
  kernels(a.device()).binary().run(BinaryOp::sub, a, b.expand(a.shape()), out);
  return out;
}

int64_t largest_of(const Array& x) {
  Array out = Array::empty({1}, DType::i64, x.device());
  kernels(x.device()).fold().run(FoldOp::max, x.view({1, x.numel(), 1}), out);
  return out.item<int64_t>();
}

}  // namespace

ValuesIndices sort(TensorArg x, int64_t dim, bool descending) {
  const Composed scope;
  Rows rows("sort", x, dim);
  ValuesIndices out = selected("sort", x, rows, rows.size(),
                               [&](const Array& from, const Array& v, const Array& i) {
                                 sorting(x).sort(from, descending, v, i);
                               });
  return {reshape(out.values, x.shape()), reshape(out.indices, x.shape())};
}

Tensor argsort(TensorArg x, int64_t dim, bool descending) {
  const NoGrad no_grad;
  return sort(x, dim, descending).indices;
}

Tensor msort(TensorArg x) { return sort(x, 0).values; }

ValuesIndices topk(TensorArg x, int64_t k, int64_t dim, bool largest) {
  const Composed scope;
  Rows rows("topk", x, dim);
  TESSERA_CHECK(k >= 0 && k <= rows.size(), "[topk] expected k in [0, {}], got {}", rows.size(), k);
  ValuesIndices out =
      selected("topk", x, rows, k, [&](const Array& from, const Array& v, const Array& i) {
        sorting(x).topk(from, largest, v, i);
      });
  if (x.dim() == 0 && k == 1) return {reshape(out.values, {}), reshape(out.indices, {})};
  return out;
}

ValuesIndices kthvalue(TensorArg x, int64_t k, int64_t dim, bool keepdim) {
  return selected_one("kthvalue", x, dim, keepdim,
                      [&](const Array& rows, const Array& v, const Array& i) {
                        TESSERA_CHECK(k >= 1 && k <= rows.size(1),
                                      "[kthvalue] expected k in [1, {}], got {}", rows.size(1), k);
                        sorting(x).kth(rows, k - 1, v, i);
                      });
}

ValuesIndices median(TensorArg x, int64_t dim, bool keepdim) {
  return median_along("median", false, x, dim, keepdim);
}

ValuesIndices nanmedian(TensorArg x, int64_t dim, bool keepdim) {
  return median_along("nanmedian", true, x, dim, keepdim);
}

ValuesIndices mode(TensorArg x, int64_t dim, bool keepdim) {
  return selected_one(
      "mode", x, dim, keepdim,
      [&](const Array& rows, const Array& v, const Array& i) { sorting(x).mode(rows, v, i); });
}

Tensor median(TensorArg x) { return median_of_all("median", false, x); }

Tensor nanmedian(TensorArg x) { return median_of_all("nanmedian", true, x); }

Tensor quantile(TensorArg x, double q, std::optional<int64_t> dim, bool keepdim,
                QuantileMethod method) {
  const Composed scope;
  return quantiles(x, {q}, dim, keepdim, method)[0];
}

Tensor quantile(TensorArg x, const std::vector<double>& q, std::optional<int64_t> dim, bool keepdim,
                QuantileMethod method) {
  const Composed scope;
  TESSERA_CHECK(!q.empty(), "[quantile] expected at least one q, got none");
  return stack(quantiles(x, q, dim, keepdim, method));
}

Tensor searchsorted(TensorArg sorted, TensorArg values, bool right) {
  TESSERA_CHECK(sorted.dtype() == values.dtype(),
                "[searchsorted] expected one dtype, got {} and {}", sorted.dtype(), values.dtype());
  TESSERA_CHECK(sorted.dim() == 1 || (sorted.dim() > 1 && values.dim() > 0),
                "[searchsorted] expected sorted rows and values of as many dims, got {} and {}",
                sorted.shape(), values.shape());
  int64_t n = sorted.size(-1);
  Array rows = sorted.data();
  Array wanted = values.data();
  int64_t m = wanted.numel();
  if (sorted.dim() > 1) {
    m = wanted.size(-1);
    Dims of_rows = rows.shape();
    Dims of_values = wanted.shape();
    of_rows.erase(of_rows.size() - 1);
    of_values.erase(of_values.size() - 1);
    Dims shape = broadcast_shapes(of_rows, of_values, "searchsorted");
    shape.push_back(n);
    rows = rows.expand(shape);
    shape.back() = m;
    wanted = wanted.expand(shape);
  }
  Array out = Array::empty(wanted.shape(), DType::i64, wanted.device());
  if (out.numel() == 0) return Tensor(out);
  int64_t count = out.numel() / m;
  kernels(out.device())
      .sort()
      .searchsorted(rows.contiguous().view({count, n}), wanted.contiguous().view({count, m}), right,
                    out.view({count, m}));
  return Tensor(out);
}

Unique unique(TensorArg x) {
  const NoGrad no_grad;
  const Kernels& kernel = kernels(x.device());
  ValuesIndices sorted = sort(reshape(x.data(), {-1}));
  int64_t n = x.numel();
  Array begins = begins_run(sorted.values.data());
  Array starts = arrays::nonzero(begins).view({-1});
  int64_t count = starts.numel();
  // Runs so far, less one, is the place of a sorted element among the distinct ones.
  Array place = Array::empty({1, n, 1}, DType::i64, x.device());
  kernel.scan().cumsum(begins.view({1, n, 1}), false, place);
  place = subtract(place.view({n}), Array::full({}, 1, DType::i64, x.device()));
  Array inverse = Array::empty({n}, DType::i64, x.device());
  arrays::scatter_(inverse, 0, sorted.indices.data(), place, ScatterOp::assign, "unique");
  Array ends = Array::full({count}, static_cast<double>(n), DType::i64, x.device());
  if (count > 1) ends.slice(0, 0, count - 1).copy_(starts.slice(0, 1, count));
  return {Tensor(arrays::index_select(sorted.values.data(), 0, starts)),
          Tensor(inverse.view(x.shape())), Tensor(subtract(ends, starts))};
}

Tensor bincount(TensorArg x, TensorArg weights, int64_t minlength) {
  TESSERA_CHECK(!is_floating(x.dtype()) && x.dtype() != DType::boolean && x.dim() == 1,
                "[bincount] expected integers of one dim, got {} of {}", x.shape(), x.dtype());
  TESSERA_CHECK(minlength >= 0, "[bincount] expected a minlength of at least 0, got {}", minlength);
  TESSERA_CHECK(!weights.defined() || weights.shape() == x.shape(),
                "[bincount] expected weights of x's shape {}, got {}", x.shape(),
                weights.defined() ? weights.shape() : Dims());
  Array values = x.data().to(DType::i64).contiguous();
  int64_t size = values.numel() == 0 ? 0 : std::max<int64_t>(largest_of(values) + 1, 0);
  DType dtype = DType::i64;
  Array added;
  if (weights.defined()) {
    dtype = weights.dtype() == DType::f32 ? DType::f32 : DType::f64;
    added = weights.data().to(dtype).contiguous();
  }
  Array out = Array::empty({std::max(size, minlength)}, dtype, x.device());
  kernels(x.device()).sort().bincount(values, added, out);
  return Tensor(out);
}

}  // namespace tessera
