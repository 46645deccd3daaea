// Losses that ask for a margin between scores or distances, as PyTorch defines them. Operands
// promote to a floating dtype, which the result has; 16-bit floats are computed in f32 and rounded
// once. Targets named by numbers (1, -1, classes) have no gradient. Reductions are those of loss.h.
#pragma once

#include <functional>

#include "autograd/ops/loss.h"

namespace tessera {

// max(0, margin - target (a - b)): a is to be above b where the target is 1, below it where it is
// -1. Of as many dims each, which broadcast.
Tensor margin_ranking_loss(TensorArg a, TensorArg b, TensorArg target, double margin = 0,
                           Reduction reduction = Reduction::mean);
// x where the target is 1, max(0, margin - x) where it is -1; the sum of both for another target.
Tensor hinge_embedding_loss(TensorArg x, TensorArg target, double margin = 1,
                            Reduction reduction = Reduction::mean);
// 1 - cos where the target is 1, max(0, cos - margin) where it is -1, of the angle between a and b
// along the last dim: a and b (N, D) and target (N,), or (D,) and ().
Tensor cosine_embedding_loss(TensorArg a, TensorArg b, TensorArg target, double margin = 0,
                             Reduction reduction = Reduction::mean);
// log(1 + exp(-target x)), without overflow.
Tensor soft_margin_loss(TensorArg x, TensorArg target, Reduction reduction = Reduction::mean);

struct MultiMarginLossOptions {
  int64_t p = 1;  // 1 or 2
  double margin = 1;
  Tensor weight = {};  // of the classes, (C,); undefined: ones. It has no gradient
  Reduction reduction = Reduction::mean;
};

// sum over i != t of weight[t] max(0, margin - x[t] + x[i])^p / C for the target t, i64 in [0, C):
// x (N, C) and target (N,), or (C,) and (). The losses have the target's shape.
Tensor multi_margin_loss(TensorArg x, TensorArg target, const MultiMarginLossOptions& options = {});
// sum over labels t and all i that are no label of max(0, 1 - (x[t] - x[i])) / C. target is i64 of
// x's shape, (N, C) or (C,): a row's labels are those in front of its first -1. The losses have
// x's shape without the classes.
Tensor multilabel_margin_loss(TensorArg x, TensorArg target, Reduction reduction = Reduction::mean);
// The mean over the classes, the last dim, of binary_cross_entropy_with_logits(x, target, weight).
Tensor multilabel_soft_margin_loss(TensorArg x, TensorArg target, TensorArg weight = {},
                                   Reduction reduction = Reduction::mean);

struct TripletMarginLossOptions {
  double margin = 1;
  double p = 2;  // of the distances, which are pairwise_distance's
  double eps = 1e-6;
  bool swap = false;  // the negative's distance is that to the nearer of anchor and positive
  Reduction reduction = Reduction::mean;
};

// max(0, margin + distance(anchor, positive) - distance(anchor, negative)), of (N, D) or (D,),
// which broadcast.
Tensor triplet_margin_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                           const TripletMarginLossOptions& options = {});

// Of two tensors of one shape, one number for each pair.
using DistanceFunction = std::function<Tensor(const Tensor& a, const Tensor& b)>;
struct TripletDistanceLossOptions {
  double margin = 1;
  bool swap = false;
  Reduction reduction = Reduction::mean;
};
// The same with any distance; without one, pairwise_distance's.
Tensor triplet_margin_with_distance_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                                         const DistanceFunction& distance = {},
                                         const TripletDistanceLossOptions& options = {});

}  // namespace tessera
