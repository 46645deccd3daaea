#include "autograd/ops/extremes.h"

#include "autograd/ops/lines.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/fold.h"

namespace tessera {
namespace {

Lines lines_of_elements(const char* op, const Tensor& x, const DimsArg& dims) {
  Lines lines(op, x.shape(), dims);
  TESSERA_CHECK(lines.n() > 0,
                "[{}] expected elements to choose from, got none along dims {} of {}", op,
                dims.get(), x.shape());
  return lines;
}

Tensor extreme(const char* op, FoldOp fold, const Tensor& x, const DimsArg& dims, bool keepdim) {
  const Composed scope;
  Lines lines = lines_of_elements(op, x, dims);
  Array y = Array::empty(lines.shape(1), x.dtype(), x.device());
  kernels(x.device()).fold().run(fold, lines.folded(x.data()), y);
  return record_fold(op, x, lines, keepdim, y,
                     [](const Tensor& x, const Tensor& y, const Tensor& dy) {
                       return shared_gradient(x.data(), y.data(), dy);
                     });
}

// Values and indices of (outer, 1, inner).
struct Found {
  Array values;
  Array indices;
};

Found find_extreme(const Tensor& x, bool largest, const Lines& lines) {
  Found found{Array::empty(lines.shape(1), x.dtype(), x.device()),
              Array::empty(lines.shape(1), DType::i64, x.device())};
  kernels(x.device()).fold().arg(largest, lines.folded(x.data()), found.values, found.indices);
  return found;
}

ValuesIndices extreme_along(const char* op, bool largest, const Tensor& x, int64_t dim,
                            bool keepdim) {
  const Composed scope;
  Lines lines = lines_of_elements(op, x, dim);
  Found found = find_extreme(x, largest, lines);
  Dims kept = x.dim() == 0 ? Dims{1} : x.shape();
  kept[line_dim(dim, x.dim(), op)] = 1;
  Array indices = found.indices.view(kept);
  Tensor values = record_selected(op, x, dim, found.values.view(kept), indices);
  return {lines.reduced(values, keepdim), lines.reduced(Tensor(indices), keepdim)};
}

Tensor arg_extreme(const char* op, bool largest, const Tensor& x, std::optional<int64_t> dim,
                   bool keepdim) {
  Lines lines = lines_of_elements(op, x, dim ? DimsArg(*dim) : DimsArg());
  return lines.reduced(Tensor(find_extreme(x, largest, lines).indices), keepdim);
}

}  // namespace

Tensor amin(TensorArg x, const DimsArg& dims, bool keepdim) {
  return extreme("amin", FoldOp::min, x, dims, keepdim);
}

Tensor amax(TensorArg x, const DimsArg& dims, bool keepdim) {
  return extreme("amax", FoldOp::max, x, dims, keepdim);
}

MinMax aminmax(TensorArg x, const DimsArg& dims, bool keepdim) {
  return {extreme("aminmax", FoldOp::min, x, dims, keepdim),
          extreme("aminmax", FoldOp::max, x, dims, keepdim)};
}

Tensor min(TensorArg x) { return extreme("min", FoldOp::min, x, {}, false); }

Tensor max(TensorArg x) { return extreme("max", FoldOp::max, x, {}, false); }

ValuesIndices min(TensorArg x, int64_t dim, bool keepdim) {
  return extreme_along("min", false, x, dim, keepdim);
}

ValuesIndices max(TensorArg x, int64_t dim, bool keepdim) {
  return extreme_along("max", true, x, dim, keepdim);
}

Tensor argmin(TensorArg x, std::optional<int64_t> dim, bool keepdim) {
  return arg_extreme("argmin", false, x, dim, keepdim);
}

Tensor argmax(TensorArg x, std::optional<int64_t> dim, bool keepdim) {
  return arg_extreme("argmax", true, x, dim, keepdim);
}

}  // namespace tessera
