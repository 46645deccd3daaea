#include "nn/loss.h"

#include <algorithm>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/linear_cross_entropy.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"

namespace tessera::nn {
namespace {

// x in a dtype that a sum over a batch fits, which 16 bits do not.
Tensor summable(const Tensor& x) {
  bool narrow = x.defined() && is_floating(x.dtype()) && item_size(x.dtype()) == 2;
  return narrow ? to(x, DType::f32) : x;
}

// All of these losses count the same.
Loss sum_of(const Tensor& losses) { return {sum(losses), static_cast<double>(losses.numel())}; }

// What the losses of these targets are to be divided by.
double weight_of(const Tensor& targets, const Tensor& weight, int64_t ignore_index) {
  // Nobody knows what the targets on meta are: all of them count.
  if (targets.device().type == DeviceType::meta) return static_cast<double>(targets.numel());
  std::vector<double> of_class;
  if (weight.defined()) of_class = weight.data().to(DType::f64).to_vector<double>();
  double total = 0;
  for (int64_t target : targets.data().to_vector<int64_t>()) {
    if (target == ignore_index) continue;
    // One out of range is the loss's to refuse.
    bool known = target >= 0 && static_cast<size_t>(target) < of_class.size();
    total += known ? of_class[static_cast<size_t>(target)] : 1;
  }
  return total;
}

double sum_of_weights(const Tensor& weight) {
  if (weight.device().type == DeviceType::meta) return static_cast<double>(weight.numel());
  double total = 0;
  for (double one : weight.data().to(DType::f64).to_vector<double>()) total += one;
  return total;
}

// Errors unless targets are i64 of the leading shape of scores (..., C).
void check_class_targets(const char* loss, const Tensor& scores, const Tensor& targets) {
  const Dims& shape = targets.shape();
  TESSERA_CHECK(scores.dim() == shape.size() + 1 &&
                    std::equal(shape.begin(), shape.end(), scores.shape().begin()),
                "[{}] expected targets of the leading shape of logits {}, got {}", loss,
                scores.shape(), shape);
  TESSERA_CHECK(targets.dtype() == DType::i64, "[{}] expected targets of i64, got {}", loss,
                targets.dtype());
}

Loss cross_entropy_of_probabilities(const Tensor& logits, const Tensor& targets,
                                    const CrossEntropyOptions& options) {
  TESSERA_CHECK(logits.dim() >= 1 && logits.shape() == targets.shape(),
                "[cross_entropy_loss] expected probabilities of the shape of logits {}, got {}",
                logits.shape(), targets.shape());
  int64_t classes = logits.size(-1);
  Dims rows{classes == 0 ? 0 : logits.numel() / classes, classes};
  CrossEntropyOptions each = options;
  each.reduction = Reduction::none;
  return sum_of(
      cross_entropy(reshape(summable(logits), rows), reshape(summable(targets), rows), each));
}

// The weighted sum of the losses of x, whose weight is that of the weights.
using Distance = Tensor (*)(TensorArg, TensorArg, Reduction, TensorArg);
Loss distance_loss(Distance distance, const Tensor& x, const Tensor& target, const Tensor& weight) {
  if (!weight.defined()) {
    return sum_of(distance(summable(x), summable(target), Reduction::none, {}));
  }
  Tensor total = distance(summable(x), summable(target), Reduction::sum, summable(weight));
  return {total, sum_of_weights(weight)};
}

}  // namespace

Loss cross_entropy_loss(TensorArg logits, TensorArg targets, const CrossEntropyOptions& options) {
  const Composed scope;
  if (is_floating(targets.dtype()) && targets.dim() == logits.dim()) {
    return cross_entropy_of_probabilities(logits, targets, options);
  }
  check_class_targets("cross_entropy_loss", logits, targets);
  int64_t rows = targets.numel();
  CrossEntropyOptions summed = options;
  summed.reduction = Reduction::sum;
  Tensor sum = cross_entropy(reshape(summable(logits), {rows, logits.size(-1)}),
                             reshape(targets, {rows}), summed);
  return {sum, weight_of(targets, options.weight, options.ignore_index)};
}

Loss linear_cross_entropy_loss(TensorArg x, TensorArg weight, TensorArg bias, TensorArg targets,
                               const CrossEntropyOptions& options) {
  const Composed scope;
  CrossEntropyOptions summed = options;
  summed.reduction = Reduction::sum;
  bool narrow = is_floating(x.dtype()) && item_size(x.dtype()) == 2;
  Tensor sum = linear_cross_entropy(x, weight, bias, targets, summed,
                                    narrow ? std::optional(DType::f32) : std::nullopt);
  return {sum, weight_of(targets, options.weight, options.ignore_index)};
}

Loss nll_loss(TensorArg x, TensorArg targets, const NllLossOptions& options) {
  const Composed scope;
  check_class_targets("nll_loss", x, targets);
  int64_t rows = targets.numel();
  NllLossOptions summed = options;
  summed.reduction = Reduction::sum;
  Tensor sum =
      tessera::nll_loss(reshape(summable(x), {rows, x.size(-1)}), reshape(targets, {rows}), summed);
  return {sum, weight_of(targets, options.weight, options.ignore_index)};
}

Loss ctc_loss(TensorArg log_probs, TensorArg targets, TensorArg input_lengths,
              TensorArg target_lengths, const CtcLossOptions& options) {
  const Composed scope;
  CtcLossOptions mean = options;
  // A mean over none would be a NaN.
  mean.reduction =
      log_probs.dim() == 3 && log_probs.size(1) == 0 ? Reduction::sum : Reduction::mean;
  auto batch = static_cast<double>(log_probs.dim() == 3 ? log_probs.size(1) : 1);
  Tensor of_batch =
      tessera::ctc_loss(summable(log_probs), targets, input_lengths, target_lengths, mean);
  return {of_batch * batch, batch};
}

Loss mse_loss(TensorArg x, TensorArg target, TensorArg weight) {
  const Composed scope;
  return distance_loss(tessera::mse_loss, x, target, weight);
}

Loss l1_loss(TensorArg x, TensorArg target, TensorArg weight) {
  const Composed scope;
  return distance_loss(tessera::l1_loss, x, target, weight);
}

Loss smooth_l1_loss(TensorArg x, TensorArg target, double beta) {
  const Composed scope;
  return sum_of(tessera::smooth_l1_loss(summable(x), summable(target), Reduction::none, beta));
}

Loss huber_loss(TensorArg x, TensorArg target, double delta, TensorArg weight) {
  const Composed scope;
  return sum_of(
      tessera::huber_loss(summable(x), summable(target), Reduction::none, delta, summable(weight)));
}

Loss bce_loss(TensorArg x, TensorArg target, TensorArg weight) {
  const Composed scope;
  return sum_of(
      binary_cross_entropy(summable(x), summable(target), summable(weight), Reduction::none));
}

Loss bce_with_logits_loss(TensorArg x, TensorArg target, TensorArg weight, TensorArg pos_weight) {
  const Composed scope;
  return sum_of(binary_cross_entropy_with_logits(summable(x), summable(target), summable(weight),
                                                 summable(pos_weight), Reduction::none));
}

Loss kl_div_loss(TensorArg x, TensorArg target, const KlDivLossOptions& options) {
  const Composed scope;
  Tensor losses = kl_div(summable(x), summable(target), Reduction::none, options.log_target);
  if (!options.batch_mean) return sum_of(losses);
  return {sum(losses), losses.dim() == 0 ? 1 : static_cast<double>(losses.size(0))};
}

Loss poisson_nll_loss(TensorArg x, TensorArg target, const PoissonNllLossOptions& options) {
  const Composed scope;
  PoissonNllLossOptions each = options;
  each.reduction = Reduction::none;
  return sum_of(tessera::poisson_nll_loss(summable(x), summable(target), each));
}

Loss gaussian_nll_loss(TensorArg x, TensorArg target, TensorArg var,
                       const GaussianNllLossOptions& options) {
  const Composed scope;
  GaussianNllLossOptions each = options;
  each.reduction = Reduction::none;
  return sum_of(tessera::gaussian_nll_loss(summable(x), summable(target), summable(var), each));
}

Loss gaussian_nll_loss(TensorArg x, TensorArg target, double var,
                       const GaussianNllLossOptions& options) {
  const Composed scope;
  GaussianNllLossOptions each = options;
  each.reduction = Reduction::none;
  return sum_of(tessera::gaussian_nll_loss(summable(x), summable(target), var, each));
}

Loss margin_ranking_loss(TensorArg a, TensorArg b, TensorArg target, double margin) {
  const Composed scope;
  return sum_of(tessera::margin_ranking_loss(summable(a), summable(b), summable(target), margin,
                                             Reduction::none));
}

Loss hinge_embedding_loss(TensorArg x, TensorArg target, double margin) {
  const Composed scope;
  return sum_of(tessera::hinge_embedding_loss(summable(x), target, margin, Reduction::none));
}

Loss cosine_embedding_loss(TensorArg a, TensorArg b, TensorArg target, double margin) {
  const Composed scope;
  return sum_of(
      tessera::cosine_embedding_loss(summable(a), summable(b), target, margin, Reduction::none));
}

Loss soft_margin_loss(TensorArg x, TensorArg target) {
  const Composed scope;
  return sum_of(tessera::soft_margin_loss(summable(x), summable(target), Reduction::none));
}

Loss multi_margin_loss(TensorArg x, TensorArg target, const MultiMarginLossOptions& options) {
  const Composed scope;
  MultiMarginLossOptions each = options;
  each.reduction = Reduction::none;
  return sum_of(tessera::multi_margin_loss(summable(x), target, each));
}

Loss multilabel_margin_loss(TensorArg x, TensorArg target) {
  const Composed scope;
  return sum_of(tessera::multilabel_margin_loss(summable(x), target, Reduction::none));
}

Loss multilabel_soft_margin_loss(TensorArg x, TensorArg target, TensorArg weight) {
  const Composed scope;
  return sum_of(
      tessera::multilabel_soft_margin_loss(summable(x), summable(target), weight, Reduction::none));
}

Loss triplet_margin_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                         const TripletMarginLossOptions& options) {
  const Composed scope;
  TripletMarginLossOptions each = options;
  each.reduction = Reduction::none;
  return sum_of(
      tessera::triplet_margin_loss(summable(anchor), summable(positive), summable(negative), each));
}

Loss triplet_margin_with_distance_loss(TensorArg anchor, TensorArg positive, TensorArg negative,
                                       const DistanceFunction& distance,
                                       const TripletDistanceLossOptions& options) {
  const Composed scope;
  TripletDistanceLossOptions each = options;
  each.reduction = Reduction::none;
  return sum_of(tessera::triplet_margin_with_distance_loss(summable(anchor), summable(positive),
                                                           summable(negative), distance, each));
}

}  // namespace tessera::nn
