#include "autograd/ops/loss.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

// Losses of the targets' shape. dlogits = dlosses (softmax(logits) - onehot(targets)), from the
// saved logits and logsumexp: the probabilities are never stored.
Tensor cross_entropy_per_row(const Tensor& logits, const Tensor& targets) {
  int64_t cols = logits.size(-1);
  int64_t rows = targets.numel();
  Array x = logits.data().contiguous().view({rows, cols});
  Array target = targets.data().contiguous().view({rows});
  Array losses = Array::empty(targets.shape(), x.dtype(), x.device());
  Array lse = Array::empty({rows}, x.dtype(), x.device());
  kernels(x.device()).softmax().cross_entropy(x, target, losses.view({rows}), lse);
  return record("cross_entropy", losses, {logits},
                [sx = SavedArray(x), starget = SavedArray(target), slse = SavedArray(lse),
                 shape = logits.shape()](const Tensor& dy, const Node& node) {
                  check_no_graph(node.op());
                  Array x = sx.get(node.op());
                  Array target = starget.get(node.op());
                  Array lse = slse.get(node.op());
                  Array dx = Array::empty(shape, x.dtype(), x.device());
                  kernels(x.device())
                      .softmax()
                      .cross_entropy_grad(x, target, lse, dy.data().contiguous().view(lse.shape()),
                                          dx.view(x.shape()));
                  return Grads{Tensor(dx)};
                });
}

}  // namespace

Tensor cross_entropy(TensorArg logits, TensorArg targets, Reduction reduction) {
  TESSERA_CHECK(targets.dtype() == DType::i64, "[cross_entropy] expected targets of i64, got {}",
                targets.dtype());
  TESSERA_CHECK(
      logits.dim() == targets.dim() + 1 &&
          std::equal(targets.shape().begin(), targets.shape().end(), logits.shape().begin()),
      "[cross_entropy] expected targets of the leading shape of logits {}, got {}", logits.shape(),
      targets.shape());
  TESSERA_CHECK(logits.dtype() == DType::f32 || logits.dtype() == DType::f64,
                "[cross_entropy] expected logits of f32 or f64, got {}", logits.dtype());
  const Composed scope;
  Tensor losses = cross_entropy_per_row(logits, targets);
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

}  // namespace tessera
