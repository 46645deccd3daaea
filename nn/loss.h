// What a training step minimizes: PyTorch's losses, each as a sum and a weight.
#pragma once

#include "autograd/ops/ctc_loss.h"
#include "autograd/ops/likelihood_loss.h"
#include "autograd/ops/loss.h"
#include "autograd/ops/margin_loss.h"
#include "autograd/tensor_arg.h"

namespace tessera::nn {

// A sum over samples (or tokens) and how many there are: the mean over a whole batch is then right
// however the batch was cut. sum / weight is PyTorch's mean of the loss of the same name.
struct Loss {
  Tensor sum;         // zero-dimensional; of inputs of 16 bits in f32
  double weight = 0;  // what the sums of all leaves are divided by

  template <class F>
  void visit_tensors(F&& f) {
    f(sum);
  }
};

// Arguments, shapes and errors are those of the functions in autograd/ops/loss.h, likelihood_loss.h
// and margin_loss.h, unless a line says otherwise; options.reduction has no meaning here. The
// weight is how many losses there are, unless a line says otherwise.

// -------------------------------------------------------------------------------------- of classes

// Of logits (..., C) against targets i64 of the leading shape. The weight is how many targets
// count, that is, are not options.ignore_index; with weights of the classes, the sum of theirs.
// Targets of the logits' shape, floating, are probabilities of the classes: all rows count.
Loss cross_entropy_loss(TensorArg logits, TensorArg targets,
                        const CrossEntropyOptions& options = {});
// Of the logits linear(x, weight, bias), x (..., in), weight (C, in) and bias (C,) or undefined,
// with the same bits: many rows of many classes are held a piece at a time
// (autograd/ops/linear_cross_entropy.h).
Loss linear_cross_entropy_loss(TensorArg x, TensorArg weight, TensorArg bias, TensorArg targets,
                               const CrossEntropyOptions& options = {});
// Of logarithms of probabilities (..., C): shapes and weight as above, for indices.
Loss nll_loss(TensorArg x, TensorArg targets, const NllLossOptions& options = {});

// Of log_probs (T, N, C) or (T, C): each loss is divided by its number of labels (at least 1), and
// the weight is the size of the batch.
Loss ctc_loss(TensorArg log_probs, TensorArg targets, TensorArg input_lengths,
              TensorArg target_lengths, const CtcLossOptions& options = {});

// ------------------------------------------------------------------------------------ of distances

// With a weight (of x's shape), divided by the sum of it.
Loss mse_loss(TensorArg x, TensorArg target, TensorArg weight = {});
Loss l1_loss(TensorArg x, TensorArg target, TensorArg weight = {});
Loss smooth_l1_loss(TensorArg x, TensorArg target, double beta = 1);
Loss huber_loss(TensorArg x, TensorArg target, double delta = 1, TensorArg weight = {});

// ---------------------------------------------------------------------------------- of likelihoods

Loss bce_loss(TensorArg x, TensorArg target, TensorArg weight = {});
Loss bce_with_logits_loss(TensorArg x, TensorArg target, TensorArg weight = {},
                          TensorArg pos_weight = {});

struct KlDivLossOptions {
  bool log_target = false;
  bool batch_mean = false;  // the weight is the size of dim 0: the divergence itself, on average
};
Loss kl_div_loss(TensorArg x, TensorArg target, const KlDivLossOptions& options = {});

Loss poisson_nll_loss(TensorArg x, TensorArg target, const PoissonNllLossOptions& options = {});
Loss gaussian_nll_loss(TensorArg x, TensorArg target, TensorArg var,
                       const GaussianNllLossOptions& options = {});
Loss gaussian_nll_loss(TensorArg x, TensorArg target, double var,
                       const GaussianNllLossOptions& options = {});

// -------------------------------------------------------------------------------------- of margins

Loss margin_ranking_loss(TensorArg a, TensorArg b, TensorArg target, double margin = 0);
Loss hinge_embedding_loss(TensorArg x, TensorArg target, double margin = 1);
Loss cosine_embedding_loss(TensorArg a, TensorArg b, TensorArg target, double margin = 0);
Loss soft_margin_loss(TensorArg x, TensorArg target);
Loss multi_margin_loss(TensorArg x, TensorArg target, const MultiMarginLossOptions& options = {});
Loss multilabel_margin_loss(TensorArg x, TensorArg target);
Loss multilabel_soft_margin_loss(TensorArg x, TensorArg target, TensorArg weight = {});
Loss triplet_margin_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                         const TripletMarginLossOptions& options = {});
Loss triplet_margin_with_distance_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                                       const DistanceFunction& distance = {},
                                       const TripletDistanceLossOptions& options = {});

}  // namespace tessera::nn
