#include "autograd/ops/lines.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/join.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"

namespace tessera {

size_t line_dim(int64_t dim, size_t rank, const char* op) {
  return normalize_dim(dim, std::max<size_t>(rank, 1), op);
}

std::vector<bool> chosen_dims(const char* op, const DimsArg& dims, size_t rank) {
  std::vector<bool> chosen(std::max<size_t>(rank, 1), dims.get().empty());
  for (int64_t dim : dims.get()) {
    size_t d = line_dim(dim, rank, op);
    TESSERA_CHECK(!chosen[d], "[{}] dim {} is named twice in {}", op, d, dims.get());
    chosen[d] = true;
  }
  chosen.resize(rank);
  return chosen;
}

Lines::Lines(const char* op, const Dims& shape, const DimsArg& dims)
    : whole_(shape), chosen_(chosen_dims(op, dims, shape.size())) {
  // Whether the chosen dims have ended. Sizes of 1 stand in nobody's way.
  bool ended = false;
  for (size_t d = 0; d < whole_.size(); ++d) {
    if (whole_[d] == 1) continue;
    if (chosen_[d]) {
      moved_ = moved_ || ended;
      n_ *= whole_[d];
    } else {
      ended = ended || n_ != 1;
      (ended ? inner_ : outer_) *= whole_[d];
    }
  }
  if (!moved_) return;
  outer_ *= inner_;
  inner_ = 1;
  for (bool pass : {false, true}) {
    for (size_t d = 0; d < whole_.size(); ++d) {
      if (chosen_[d] == pass) order_.push_back(static_cast<int64_t>(d));
    }
  }
}

Tensor Lines::of(const Tensor& x) const {
  return reshape(moved_ ? permute(x, order_) : x, shape(n_));
}

Array Lines::elements(const Tensor& x) const { return of(x.detach()).data().contiguous(); }

Array Lines::folded(const Array& x) const {
  if (x.numel() == 0) return Array::empty(shape(n_), x.dtype(), x.device());
  Array ordered = moved_ ? x.permute(order_) : x;
  return repeats_elements(ordered) ? ordered : ordered.contiguous();
}

bool repeats_elements(const Array& x) {
  for (size_t d = 0; d < x.dim(); ++d) {
    if (x.strides()[d] == 0 && x.shape()[d] > 1) return true;
  }
  return false;
}

Tensor Lines::back(const Tensor& lines) const {
  Dims sizes;
  Dims inverse(order_.size(), 0);
  for (size_t i = 0; i < whole_.size(); ++i) {
    auto d = moved_ ? static_cast<size_t>(order_[i]) : i;
    bool other = chosen_[d] && lines.size(1) != n_;
    sizes.push_back(other ? lines.size(1) : whole_[d]);
    if (moved_) inverse[d] = static_cast<int64_t>(i);
  }
  Tensor out = reshape(lines, sizes);
  return moved_ ? permute(out, inverse) : out;
}

Tensor Lines::reduced(const Tensor& lines, bool keepdim) const {
  Dims sizes;
  for (size_t d = 0; d < whole_.size(); ++d) {
    if (!chosen_[d]) sizes.push_back(whole_[d]);
    else if (keepdim) sizes.push_back(1);
  }
  return reshape(lines, sizes);
}

Tensor shifted(const Tensor& t, int64_t by, double value) {
  return t.numel() == 0 ? t : pad(t, {0, 0, by, -by}, PadMode::constant, value);
}

Tensor same_elements(const Array& a, const Array& b) {
  const Composed scope;
  return logical_or(eq(a, b), logical_and(isnan(a), isnan(b)));
}

Tensor shared_gradient(const Array& x, const Array& y, const Tensor& dy) {
  Tensor mask = same_elements(x, y);
  return where(mask, dy / sum(mask, 1, true), 0);
}

Tensor record_shared(const char* op, const Tensor& x, const Array& y) {
  return record(op, y, {x},
                [sx = Saved(x), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  return Grads{shared_gradient(sx.array(node), sy.array(node), dy)};
                });
}

Tensor record_selected(const char* op, const Tensor& x, int64_t dim, const Array& values,
                       const Array& indices) {
  Tensor from = x.dim() == 0 ? reshape(x, {1}) : x;
  return record(
      op, values, {from},
      [dim, shape = from.shape(), at = SavedArray(indices)](const Tensor& dy, const Node& node) {
        Tensor zeros = Array::zeros(shape, dy.dtype(), dy.device());
        return Grads{scatter_add(zeros, dim, at.get(node.op()), dy)};
      });
}

}  // namespace tessera
