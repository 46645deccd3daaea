#include "autograd/ops/normalize.h"

#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {

Tensor layer_norm(TensorArg x, TensorArg weight, TensorArg bias, double eps) {
  TESSERA_CHECK(
      x.dim() >= 1 && weight.shape() == Dims{x.size(-1)} && bias.shape() == weight.shape(),
      "[layer_norm] expected weight and bias of the last dim of x {}, got {} and {}", x.shape(),
      weight.shape(), bias.shape());
  TESSERA_CHECK(x.dtype() == weight.dtype() && x.dtype() == bias.dtype(),
                "[layer_norm] expected one dtype, got {}, {} and {}", x.dtype(), weight.dtype(),
                bias.dtype());
  int64_t cols = x.size(-1);
  int64_t rows = cols == 0 ? 0 : x.numel() / cols;
  Array xs = x.data().contiguous().view({rows, cols});
  Array w = weight.data().contiguous();
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  Array mean = Array::empty({rows}, x.dtype(), x.device());
  Array rstd = Array::empty({rows}, x.dtype(), x.device());
  kernels(x.device())
      .normalize()
      .layer_norm(xs, w, bias.data().contiguous(), eps, y.view({rows, cols}), mean, rstd);
  return record("layer_norm", y, {x, weight, bias},
                [sxs = SavedArray(xs), sw = SavedArray(w), smean = SavedArray(mean),
                 srstd = SavedArray(rstd), shape = x.shape()](const Tensor& dy, const Node& node) {
                  check_no_graph(node.op());
                  Array xs = sxs.get(node.op());
                  Array w = sw.get(node.op());
                  Array mean = smean.get(node.op());
                  Array rstd = srstd.get(node.op());
                  Array dx = Array::empty(shape, dy.dtype(), dy.device());
                  Array dw = Array::empty(w.shape(), dy.dtype(), dy.device());
                  Array db = Array::empty(w.shape(), dy.dtype(), dy.device());
                  kernels(dy.device())
                      .normalize()
                      .layer_norm_grad(xs, w, mean, rstd, dy.data().contiguous().view(xs.shape()),
                                       dx.view(xs.shape()), dw, db);
                  return Grads{Tensor(dx), Tensor(dw), Tensor(db)};
                });
}

}  // namespace tessera
