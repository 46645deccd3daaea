// A tensor as lines of elements along some of its dims: for operations along dims.
#pragma once

#include <vector>

#include "autograd/ops/dims_arg.h"
#include "autograd/tensor_arg.h"

namespace tessera {

// dim counted from the end when negative; a zero-dimensional tensor has one dim of size 1 here.
size_t line_dim(int64_t dim, size_t rank, const char* op);

// For each of `rank` dims whether it is chosen. Errors, naming op: a dim outside, or named twice.
std::vector<bool> chosen_dims(const char* op, const DimsArg& dims, size_t rank);

// A tensor as (outer, n, inner), where the middle dim runs along the chosen dims: the form of
// kernels that fold, scan or sort. Chosen dims side by side are not moved; others go last.
class Lines {
 public:
  Lines(const char* op, const Dims& shape, const DimsArg& dims);

  // x of the whole shape as (outer, n, inner), differentiable: a view where its strides allow one.
  Tensor of(const Tensor& x) const;
  // The same row-major, for kernels.
  Array elements(const Tensor& x) const;
  // (outer, m, inner) as a tensor whose only chosen dim has the size m (the whole shape for m = n).
  Tensor back(const Tensor& lines) const;
  // (outer, 1, inner) as a tensor without the chosen dims, or with sizes of 1 if keepdim.
  Tensor reduced(const Tensor& lines, bool keepdim) const;

  int64_t n() const { return n_; }
  // The shape of lines of size m.
  Dims shape(int64_t m) const { return {outer_, m, inner_}; }

 private:
  Dims whole_;
  std::vector<bool> chosen_;
  Dims order_;  // the permutation that brings the chosen dims side by side
  bool moved_ = false;
  int64_t outer_ = 1;
  int64_t n_ = 1;
  int64_t inner_ = 1;
};

// t[:, k - by, :] at k, and `value` where that is outside; by is 1 or -1.
Tensor shifted(const Tensor& t, int64_t by, double value);

// A constant of a's dtype: 1 where a equals b (which broadcasts to a's shape) or both are NaN,
// else 0.
Tensor equal_mask(const Array& a, const Array& b);

// The results y (outer, 1, inner) of op, each of which equals an element of its line of x (outer,
// n, inner): its gradient is shared evenly by all elements that equal it.
Tensor record_shared(const char* op, const Tensor& x, const Array& y);

// The elements of x at `indices` along dim, which are in `values`, as a result whose gradient goes
// to them. Both arrays have x's shape but for dim (those of a zero-dimensional x are of (1,)), and
// the result has theirs.
Tensor record_selected(const char* op, const Tensor& x, int64_t dim, const Array& values,
                       const Array& indices);

}  // namespace tessera
