#include "autograd/ops/embedding.h"

#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {

Tensor embedding(TensorArg table, TensorArg index) {
  TESSERA_CHECK(table.dim() == 2, "[embedding] expected a table of two dims, got {}",
                table.shape());
  TESSERA_CHECK(index.dtype() == DType::i64, "[embedding] expected an index of i64, got {}",
                index.dtype());
  int64_t cols = table.size(1);
  Array at = index.data().contiguous().view({index.numel()});
  Dims shape = index.shape();
  shape.push_back(cols);
  Array out = Array::empty(shape, table.dtype(), table.device());
  kernels(table.device())
      .gather()
      .rows(table.data().contiguous(), at, out.view({at.numel(), cols}));
  return record(
      "embedding", out, {table},
      [saved = SavedArray(at), shape = table.shape()](const Tensor& dy, const Node& node) {
        check_no_graph(node.op());
        Array at = saved.get(node.op());
        Array dtable = Array::zeros(shape, dy.dtype(), dy.device());
        kernels(dy.device())
            .gather()
            .scatter_add_rows(dy.data().contiguous().view({at.numel(), shape[1]}), at, dtable);
        return Grads{Tensor(dtable)};
      });
}

}  // namespace tessera
