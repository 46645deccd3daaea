// A tensor as lines of elements along some of its dims: for operations along dims.
#pragma once

#include <vector>

#include "autograd/ops/dims_arg.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
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
  // For kernels that fold lines: an array whose elements have that order, row by row. Where x
  // repeats elements (a stride of 0) it is a view of them, however many they are.
  Array folded(const Array& x) const;
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

// Whether the array repeats elements: a stride of 0 in a dim of more than one.
bool repeats_elements(const Array& x);

// The results y (outer, 1, inner) of op, one for each line of x, with the chosen dims dropped or
// kept. Nothing of x is copied for it, nor kept but x. `gradient` gives dx (outer, n, inner) for x,
// y and dy as lines, by Tensor functions.
template <class Gradient>
Tensor record_fold(const char* op, const Tensor& x, const Lines& lines, bool keepdim,
                   const Array& y, Gradient gradient) {
  Array out = lines.reduced(Tensor(y), keepdim).data();
  return record(
      op, out, {x},
      [lines, gradient, sx = Saved(x), sy = SavedResult(out)](const Tensor& dy, const Node& node) {
        const Dims shape = lines.shape(1);
        Tensor dx =
            gradient(lines.of(sx.get(node)), reshape(sy.get(node), shape), reshape(dy, shape));
        return Grads{lines.back(dx)};
      });
}

// t[:, k - by, :] at k, and `value` where that is outside; by is 1 or -1.
Tensor shifted(const Tensor& t, int64_t by, double value);

// Whether elements are equal or both NaN; a constant of the broadcast shape.
Tensor same_elements(const Array& a, const Array& b);

// The gradient of x (outer, n, inner) for that of y (outer, 1, inner), each of which equals an
// element of its line: it is shared evenly by all elements that equal it.
Tensor shared_gradient(const Array& x, const Array& y, const Tensor& dy);

// The results y (outer, 1, inner) of op, each of which equals an element of its line of x (outer,
// n, inner): its gradient is shared evenly by all elements that equal it.
Tensor record_shared(const char* op, const Tensor& x, const Array& y);

// The elements of x at `indices` along dim, which are in `values`, as a result whose gradient goes
// to them. Both arrays have x's shape but for dim (those of a zero-dimensional x are of (1,)), and
// the result has theirs.
Tensor record_selected(const char* op, const Tensor& x, int64_t dim, const Array& values,
                       const Array& indices);

}  // namespace tessera
