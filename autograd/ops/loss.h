// Losses, as PyTorch defines them. Inputs are floating; x and target have shapes that broadcast,
// unless a line says otherwise.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// `none` keeps one loss for each place, `sum` and `mean` are zero-dimensional. batch_mean, the sum
// over the size of dim 0, is for kl_div.
enum class Reduction { none, sum, mean, batch_mean };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};           // of the classes, (C,); undefined: ones. It has no gradient
  int64_t ignore_index = -100;  // places with this target have no loss
  double label_smoothing = 0;   // in [0, 1]: this share of each target is spread over all classes
};

// -log softmax(x)[target]. x is (C,), (N, C) or (N, C, d1, ...), target either i64 of x's shape
// without the classes, an index in [0, C), or floating of x's shape, the classes' probabilities.
// The losses have x's shape without the classes; their mean is weighted by the targets' weights
// for indices, and over all places for probabilities.
Tensor cross_entropy(TensorArg x, TensorArg target, const CrossEntropyOptions& options = {});
Tensor cross_entropy(TensorArg x, TensorArg target, Reduction reduction);

struct NllLossOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};
  int64_t ignore_index = -100;
};

// -x[target], of logarithms of probabilities: shapes and options as for indices above.
Tensor nll_loss(TensorArg x, TensorArg target, const NllLossOptions& options = {});

// Where these compare with a target, either may be of integers beside the other's floating dtype. A
// weight has x's shape; their mean is then the sum over the sum of weights (huber_loss: over all).
// (x - target)^2
Tensor mse_loss(TensorArg x, TensorArg target, Reduction reduction = Reduction::mean,
                TensorArg weight = {});
// |x - target|; also of two of integers, where there is no mean without a weight.
Tensor l1_loss(TensorArg x, TensorArg target, Reduction reduction = Reduction::mean,
               TensorArg weight = {});
// With d = |x - target|: d^2 / (2 beta) below beta, d - beta / 2 from there on. beta 0 is l1_loss.
Tensor smooth_l1_loss(TensorArg x, TensorArg target, Reduction reduction = Reduction::mean,
                      double beta = 1);
// d^2 / 2 below delta > 0, delta (d - delta / 2) from there on. x is floating, and without a weight
// the result has its dtype.
Tensor huber_loss(TensorArg x, TensorArg target, Reduction reduction = Reduction::mean,
                  double delta = 1, TensorArg weight = {});

// -weight (target log x + (1 - target) log(1 - x)), x in [0, 1] and of target's shape, the
// logarithms cut off at -100. weight broadcasts and may be left out.
Tensor binary_cross_entropy(TensorArg x, TensorArg target, TensorArg weight = {},
                            Reduction reduction = Reduction::mean);
// The same of sigmoid(x), without cutting off; pos_weight (broadcasts, may be left out) multiplies
// the first term. The result has target's dtype.
Tensor binary_cross_entropy_with_logits(TensorArg x, TensorArg target, TensorArg weight = {},
                                        TensorArg pos_weight = {},
                                        Reduction reduction = Reduction::mean);

// target (log target - x), x being the logarithm of a probability; with log_target, target is too:
// exp(target) (target - x).
Tensor kl_div(TensorArg x, TensorArg target, Reduction reduction = Reduction::mean,
              bool log_target = false);

}  // namespace tessera
