#include "autograd/ops/reduce.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

std::vector<bool> chosen_dims(const Dims& dims, size_t rank) {
  std::vector<bool> chosen(rank, dims.empty());
  for (int64_t dim : dims) {
    size_t d = normalize_dim(dim, rank, "sum");
    TESSERA_CHECK(!chosen[d], "[sum] dim {} is named twice in {}", d, dims);
    chosen[d] = true;
  }
  return chosen;
}

// The sum over the chosen dims, which are dropped. Leading dims are summed down the columns, any
// others along the rows of a copy that has them last.
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
  if (summed.empty()) return x;
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

}  // namespace

Tensor sum(TensorArg x) { return sum(x, {}); }

Tensor mean(TensorArg x) { return mean(x, {}); }

Tensor sum(TensorArg x, const Dims& dims, bool keepdim) {
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[sum] expected f32 or f64, got {}", x.dtype());
  std::vector<bool> chosen = chosen_dims(dims, x.dim());
  Dims kept = x.shape();
  for (size_t d = 0; d < chosen.size(); ++d) {
    if (chosen[d]) kept[d] = 1;
  }
  Array out = sum_array(x.data(), chosen);
  if (keepdim) out = out.reshape(kept);
  return record("sum", out, {x}, [kept, shape = x.shape()](const Tensor& dy, const Node&) {
    return Grads{expand(reshape(dy, kept), shape)};
  });
}

Tensor mean(TensorArg x, const Dims& dims, bool keepdim) {
  Tensor total = sum(x, dims, keepdim);
  double count = static_cast<double>(x.numel()) / static_cast<double>(total.numel());
  return total / count;
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
