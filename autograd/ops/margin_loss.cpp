#include "autograd/ops/margin_loss.h"

#include <algorithm>

#include "autograd/ops/creation.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/index.h"
#include "autograd/ops/loss_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/scan.h"
#include "autograd/ops/special.h"
#include "autograd/ops/statistics.h"
#include "autograd/ops/vectors.h"
#include "core/kernels.h"
#include "core/kernels/check.h"

namespace tessera {
namespace {

void check_as_many_dims(const char* op, const Tensor& a, const Tensor& b, const Tensor& c) {
  TESSERA_CHECK(a.dim() == b.dim() && a.dim() == c.dim(),
                "[{}] expected three tensors of as many dims, got {}, {} and {}", op, a.shape(),
                b.shape(), c.shape());
  broadcast_shapes(broadcast_shapes(a.shape(), b.shape(), op), c.shape(), op);
}

// x divided by its lengths along the last dim, to whose squares 1e-12 is added.
Tensor nearly_unit(const Tensor& x) {
  Tensor least = Array::full({}, 1e-6, x.dtype(), x.device());
  return x / hypot(norm(x, 2, {-1}, true), least);
}

// x (N, C) or (C,) of at least one class.
void check_scores(const char* op, const Tensor& x) {
  TESSERA_CHECK((x.dim() == 1 || x.dim() == 2) && x.size(-1) >= 1,
                "[{}] expected x (N, C) or (C,) with classes, got {}", op, x.shape());
}

// Errors unless target is i64 of that shape, in [lowest, classes).
void check_labels(const char* op, const Tensor& target, const Dims& shape, int64_t lowest,
                  int64_t classes) {
  TESSERA_CHECK(target.dtype() == DType::i64 && target.shape() == shape,
                "[{}] expected a target of i64 and shape {}, got {} {}", op, shape, target.dtype(),
                target.shape());
  const NoGrad constant;
  Array met = logical_and(ge(target, lowest), lt(target, classes)).data();
  kernels(target.device()).check().all(met, [=](int64_t position) {
    return fmt::format("[{}] expected a target in [{}, {}), got another at {} of {}", op, lowest,
                       classes, position, shape);
  });
}

Tensor as_rows_of(const Tensor& x) { return x.dim() == 1 ? unsqueeze(x, 0) : x; }

Dims without_last(const Tensor& x) {
  return Dims(std::span(x.shape().data(), x.dim() == 0 ? 0 : x.dim() - 1));
}

// A row's labels: those in front of its first -1.
struct Labels {
  Tensor at;     // (N, L), 0 where there is none; L is the most that a row has
  Tensor there;  // (N, L), whether there is one
  Tensor among;  // (N, C), whether the class is one

  explicit Labels(const Tensor& target) {
    const NoGrad constant;
    Tensor valid = cumprod(to(ge(target, 0), DType::i64), 1);
    int64_t most = target.size(1);
    if (target.numel() > 0 && target.device().type != DeviceType::meta) {
      most = max(sum(valid, {1})).item<int64_t>();
    }
    Tensor every = where(eq(valid, 1), target, 0);
    among = gt(scatter_add(zeros_like(target), 1, every, valid), 0);
    at = narrow(every, 1, 0, most);
    there = eq(narrow(valid, 1, 0, most), 1);
  }
};

}  // namespace

Tensor margin_ranking_loss(TensorArg a, TensorArg b, TensorArg target, double margin,
                           Reduction reduction) {
  const Composed scope;
  const char* op = "margin_ranking_loss";
  check_reduction(op, reduction);
  LossDType dtype(op, a, b, target);
  check_as_many_dims(op, a, b, target);
  Tensor below = dtype.wide(b) - dtype.wide(a);
  Tensor losses = relu(affine(dtype.wide(target) * below, 1, margin));
  return reduce_losses(losses, reduction, dtype.result);
}

Tensor hinge_embedding_loss(TensorArg x, TensorArg target, double margin, Reduction reduction) {
  const Composed scope;
  const char* op = "hinge_embedding_loss";
  check_reduction(op, reduction);
  LossDType dtype(op, x);
  broadcast_shapes(x.shape(), target.shape(), op);
  Tensor near = dtype.wide(x);
  Tensor t = target->detach();
  Tensor losses = where(ne(t, 1), relu(affine(near, -1, margin)), 0) + where(ne(t, -1), near, 0);
  return reduce_losses(losses, reduction, dtype.result);
}

// cos = sum(a b) / (|a| |b|), 1e-12 being added to the squares of the lengths.
Tensor cosine_embedding_loss(TensorArg a, TensorArg b, TensorArg target, double margin,
                             Reduction reduction) {
  const Composed scope;
  const char* op = "cosine_embedding_loss";
  check_reduction(op, reduction);
  LossDType dtype(op, a, b);
  TESSERA_CHECK(target.dim() <= 1 && a.dim() == target.dim() + 1 && b.dim() == a.dim(),
                "[{}] expected a and b (N, D) and a target (N,), or (D,) and (), got {}, {} and {}",
                op, a.shape(), b.shape(), target.shape());
  broadcast_shapes(a.shape(), b.shape(), op);
  Tensor cosine = sum(nearly_unit(dtype.wide(a)) * nearly_unit(dtype.wide(b)), {-1});
  broadcast_shapes(cosine.shape(), target.shape(), op);
  Tensor t = target->detach();
  Tensor apart = relu(affine(cosine, 1, -margin));
  Tensor losses = where(eq(t, 1), 1 - cosine, 0) + where(eq(t, -1), apart, 0);
  return reduce_losses(losses, reduction, dtype.result);
}

Tensor soft_margin_loss(TensorArg x, TensorArg target, Reduction reduction) {
  const Composed scope;
  const char* op = "soft_margin_loss";
  check_reduction(op, reduction);
  LossDType dtype(op, x, target);
  broadcast_shapes(x.shape(), target.shape(), op);
  Tensor losses = neg(logsigmoid(dtype.wide(target) * dtype.wide(x)));
  return reduce_losses(losses, reduction, dtype.result);
}

Tensor multi_margin_loss(TensorArg x, TensorArg target, const MultiMarginLossOptions& options) {
  const Composed scope;
  const char* op = "multi_margin_loss";
  check_reduction(op, options.reduction);
  LossDType dtype(op, x);
  check_scores(op, x);
  TESSERA_CHECK(options.p == 1 || options.p == 2, "[{}] expected a p of 1 or 2, got {}", op,
                options.p);
  int64_t classes = x.size(-1);
  check_labels(op, target, without_last(x), 0, classes);
  Tensor rows = as_rows_of(dtype.wide(x));
  Tensor at = reshape(target, {rows.size(0), 1});
  Tensor own = eq(at, Tensor(Array::arange(classes).to(x.device())));
  Tensor beyond = relu(affine(gather(rows, 1, at), -1, options.margin) + rows);
  beyond = masked_fill(beyond, own, 0);
  if (options.p == 2) beyond = square(beyond);
  Tensor losses = sum(beyond, {1}) / static_cast<double>(classes);
  if (options.weight.defined()) {
    TESSERA_CHECK(options.weight.shape() == Dims{classes},
                  "[{}] expected weights of shape ({},), got {}", op, classes,
                  options.weight.shape());
    Tensor weight = dtype.wide(options.weight.detach());
    losses = losses * index_select(weight, 0, reshape(at, {-1}));
  }
  return reduce_losses(reshape(losses, target.shape()), options.reduction, dtype.result);
}

Tensor multilabel_margin_loss(TensorArg x, TensorArg target, Reduction reduction) {
  const Composed scope;
  const char* op = "multilabel_margin_loss";
  check_reduction(op, reduction);
  LossDType dtype(op, x);
  check_scores(op, x);
  int64_t classes = x.size(-1);
  check_labels(op, target, x.shape(), -1, classes);
  Tensor rows = as_rows_of(dtype.wide(x));
  Labels labels(as_rows_of(target));
  // (N, L, C)
  Tensor room = affine(gather(rows, 1, labels.at), -1, 1);
  Tensor beyond = relu(unsqueeze(room, 2) + unsqueeze(rows, 1));
  Tensor counts = logical_and(unsqueeze(labels.there, 2), logical_not(unsqueeze(labels.among, 1)));
  Tensor losses = sum(where(counts, beyond, 0), {1, 2}) / static_cast<double>(classes);
  return reduce_losses(reshape(losses, without_last(x)), reduction, dtype.result);
}

Tensor multilabel_soft_margin_loss(TensorArg x, TensorArg target, TensorArg weight,
                                   Reduction reduction) {
  const Composed scope;
  const char* op = "multilabel_soft_margin_loss";
  check_reduction(op, reduction);
  LossDType dtype(op, x, target);
  TESSERA_CHECK(x.dim() >= 1 && target.shape() == x.shape(),
                "[{}] expected x with classes and a target of its shape, got {} and {}", op,
                x.shape(), target.shape());
  Tensor factors = weight.defined() ? dtype.wide(weight) : Tensor();
  Tensor of_classes = binary_cross_entropy_with_logits(dtype.wide(x), dtype.wide(target), factors,
                                                       {}, Reduction::none);
  return reduce_losses(mean(of_classes, {-1}), reduction, dtype.result);
}

Tensor triplet_margin_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                           const TripletMarginLossOptions& options) {
  const Composed scope;
  const char* op = "triplet_margin_loss";
  check_reduction(op, options.reduction);
  LossDType dtype(op, anchor, positive, negative);
  TESSERA_CHECK(anchor.dim() >= 1, "[{}] expected vectors, got an anchor {}", op, anchor.shape());
  TESSERA_CHECK(options.margin > 0, "[{}] expected a margin above 0, got {}", op, options.margin);
  check_as_many_dims(op, anchor, positive, negative);
  auto distance = [&](const Tensor& a, const Tensor& b) {
    return pairwise_distance(dtype.wide(a), dtype.wide(b), options.p, options.eps);
  };
  Tensor near = distance(anchor, positive);
  Tensor far = distance(anchor, negative);
  if (options.swap) far = minimum(far, distance(positive, negative));
  Tensor losses = relu(affine(near, 1, options.margin) - far);
  return reduce_losses(losses, options.reduction, dtype.result);
}

Tensor triplet_margin_with_distance_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                                         const DistanceFunction& distance,
                                         const TripletDistanceLossOptions& options) {
  const Composed scope;
  const char* op = "triplet_margin_with_distance_loss";
  check_reduction(op, options.reduction);
  LossDType dtype(op, anchor, positive, negative);
  TESSERA_CHECK(options.margin > 0, "[{}] expected a margin above 0, got {}", op, options.margin);
  check_as_many_dims(op, anchor, positive, negative);
  auto apart = [&](const Tensor& a, const Tensor& b) {
    return distance ? distance(a, b) : pairwise_distance(a, b);
  };
  Tensor a = dtype.wide(anchor);
  Tensor p = dtype.wide(positive);
  Tensor n = dtype.wide(negative);
  Tensor near = apart(a, p);
  Tensor far = apart(a, n);
  if (options.swap) far = minimum(far, apart(p, n));
  Tensor losses = relu(affine(near, 1, options.margin) - far);
  return reduce_losses(losses, options.reduction, dtype.result);
}

}  // namespace tessera
