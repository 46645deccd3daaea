#include "autograd/ops/sort.h"

#include <cmath>

#include "autograd/in_place.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/join.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/scan.h"
#include "autograd/ops/shape.h"
#include "core/index.h"
#include "core/kernels.h"
#include "core/kernels/sort.h"
#include "core/promotion.h"

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
  Array y = Array::empty({1}, x.dtype(), x.device());
  if (x.numel() == 0) {
    y.fill_(NAN);
  } else {
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
  return lerp(below, narrow(sorted, dim, low + 1, 1), weight);
}

std::vector<Tensor> quantiles(const Tensor& x, const std::vector<double>& qs,
                              std::optional<int64_t> dim, bool keepdim, QuantileMethod method) {
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[quantile] expected f32 or f64, got {}", x.dtype());
  Lines lines("quantile", x.shape(), dim ? DimsArg(*dim) : DimsArg());
  TESSERA_CHECK(lines.n() > 0, "[quantile] expected elements to choose from, got {}", x.shape());
  Tensor sorted = sort(lines.of(x), 1).values;
  Tensor spoilt = isnan(narrow(sorted.detach(), 1, lines.n() - 1, 1));
  std::vector<Tensor> out;
  for (double q : qs) {
    TESSERA_CHECK(q >= 0 && q <= 1, "[quantile] expected q in [0, 1], got {}", q);
    Tensor y = masked_fill(quantile_of_sorted(sorted, q, 1, method), spoilt, NAN);
    out.push_back(lines.reduced(y, keepdim));
  }
  return out;
}

// sorted's elements in the order that the sorter says.
Array in_order(const Tensor& sorted, const Tensor& sorter) {
  TESSERA_CHECK(sorter.dtype() == DType::i64 && sorter.shape() == sorted.shape(),
                "[searchsorted] expected a sorter of i64 and shape {}, got {} of {}",
                sorted.shape(), sorter.shape(), sorter.dtype());
  if (sorter.numel() > 0) {
    auto lowest = min(sorter).item<int64_t>();
    auto highest = max(sorter).item<int64_t>();
    TESSERA_CHECK(lowest >= 0 && highest < sorted.size(-1),
                  "[searchsorted] expected indices in [0, {}) in the sorter, got {}",
                  sorted.size(-1), lowest < 0 ? lowest : highest);
  }
  return arrays::gather(sorted.data(), -1, sorter.data(), "searchsorted");
}

Unique unique_elements(const Tensor& x) {
  int64_t n = x.numel();
  ValuesIndices sorted = sort(reshape(x, {n}));
  if (n == 0) return {sorted.values, reshape(sorted.indices, x.shape()), sorted.indices};
  // A run of equal elements begins where one differs from that before it.
  Tensor begins = Array::full({n}, 1, DType::boolean, x.device());
  Tensor differs = narrow(sorted.values, 0, 1, n - 1) != narrow(sorted.values, 0, 0, n - 1);
  copy_(narrow(begins, 0, 1, n - 1), differs);
  Tensor starts = reshape(nonzero(begins), {-1});
  // The number of runs so far, less one, is an element's place among the distinct ones.
  Tensor inverse = Array::empty({n}, DType::i64, x.device());
  scatter_(inverse, 0, sorted.indices, cumsum(begins, 0) - 1);
  Tensor end = Array::full({1}, static_cast<double>(n), DType::i64, x.device());
  Tensor ends = cat({narrow(starts, 0, 1, starts.numel() - 1), end});
  return {index_select(sorted.values, 0, starts), reshape(inverse, x.shape()), ends - starts};
}

// Slices by the places of their elements: after k columns, slices have one number where they are
// equal so far, in their order, and each further column sorts these pairs.
Unique unique_slices(const Tensor& x, size_t dim) {
  int64_t n = x.shape()[dim];
  auto d = static_cast<int64_t>(dim);
  TESSERA_CHECK(x.numel() > 0 || n == 0,
                "[unique] expected slices with elements along dim {}, got {}", dim, x.shape());
  if (n == 0) {
    Tensor none = Array::empty({0}, DType::i64, x.device());
    return {x.detach(), none, none};
  }
  Tensor slices = reshape(moveaxis(x, {d}, {0}), {n, x.numel() / n});
  Unique found = unique_elements(select(slices, 1, 0));
  for (int64_t k = 1; k < slices.size(1) && found.counts.numel() < n; ++k) {
    Tensor column = unique_elements(select(slices, 1, k)).inverse;
    found = unique_elements(found.inverse * n + column);
  }
  int64_t count = found.counts.numel();
  // The first slice of each kind: the least index.
  Tensor order = argsort(found.inverse);
  Tensor starts = cumsum(found.counts, 0) - found.counts;
  Tensor firsts = index_select(order, 0, narrow(starts, 0, 0, count));
  return {index_select(x.detach(), d, firsts), found.inverse, found.counts};
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

Tensor searchsorted(TensorArg sorted, TensorArg values, bool right, bool out_int32,
                    TensorArg sorter) {
  TESSERA_CHECK(sorted.dim() == 1 || (sorted.dim() > 1 && values.dim() > 0),
                "[searchsorted] expected sorted rows and values of as many dims, got {} and {}",
                sorted.shape(), values.shape());
  int64_t n = sorted.size(-1);
  DType dtype = result_type(sorted.data(), values.data());
  Array rows = sorter.defined() ? in_order(sorted, sorter) : sorted.data();
  rows = rows.to(dtype);
  Array wanted = values.data().to(dtype);
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
  if (out.numel() > 0) {
    int64_t count = out.numel() / m;
    kernels(out.device())
        .sort()
        .searchsorted(rows.contiguous().view({count, n}), wanted.contiguous().view({count, m}),
                      right, out.view({count, m}));
  }
  return Tensor(out_int32 ? out.to(DType::i32) : out);
}

Tensor searchsorted(TensorArg sorted, Scalar value, bool right, bool out_int32, TensorArg sorter) {
  DType dtype = result_type(sorted.data(), value);
  Array number = Array::empty({}, dtype, Device{});
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    *number.data<T>() = value.to<T>();
  });
  return searchsorted(sorted, Tensor(number.to(sorted.device())), right, out_int32, sorter);
}

Unique unique(TensorArg x, std::optional<int64_t> dim) {
  const Composed scope;
  const NoGrad no_grad;
  if (dim) return unique_slices(x, normalize_dim(*dim, x.dim(), "unique"));
  return unique_elements(x);
}

Tensor bincount(TensorArg x, TensorArg weights, int64_t minlength) {
  TESSERA_CHECK(!is_floating(x.dtype()) && x.dtype() != DType::boolean && x.dim() == 1,
                "[bincount] expected integers of one dim, got {} of {}", x.shape(), x.dtype());
  TESSERA_CHECK(minlength >= 0, "[bincount] expected a minlength of at least 0, got {}", minlength);
  TESSERA_CHECK(!weights.defined() || weights.shape() == x.shape(),
                "[bincount] expected weights of x's shape {}, got {}", x.shape(),
                weights.defined() ? weights.shape() : Dims());
  Array values = x.data().to(DType::i64).contiguous();
  int64_t size = values.numel() == 0 ? 0 : std::max<int64_t>(max(values).item<int64_t>() + 1, 0);
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
