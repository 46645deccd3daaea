#include "nn/loss.h"

#include "autograd/ops/loss.h"
#include "autograd/ops/shape.h"

namespace tessera::nn {
namespace {

// What the losses of these targets are to be divided by.
double weight_of(const Tensor& targets, const CrossEntropyOptions& options) {
  // Nobody knows what the targets on meta are: all of them count.
  if (targets.device().type == DeviceType::meta) return static_cast<double>(targets.numel());
  std::vector<double> of_class;
  if (options.weight.defined()) {
    of_class = options.weight.data().to(DType::f64).to_vector<double>();
  }
  double weight = 0;
  for (int64_t target : targets.data().to_vector<int64_t>()) {
    if (target == options.ignore_index) continue;
    // One out of range is the loss's to refuse.
    bool known = target >= 0 && static_cast<size_t>(target) < of_class.size();
    weight += known ? of_class[static_cast<size_t>(target)] : 1;
  }
  return weight;
}

}  // namespace

Loss cross_entropy_loss(TensorArg logits, TensorArg targets, const CrossEntropyOptions& options) {
  const Composed scope;
  TESSERA_CHECK(logits.dim() == targets.dim() + 1,
                "[cross_entropy_loss] expected targets of the leading shape of logits {}, got {}",
                logits.shape(), targets.shape());
  TESSERA_CHECK(targets.dtype() == DType::i64,
                "[cross_entropy_loss] expected targets of i64, got {}", targets.dtype());
  int64_t rows = targets.numel();
  // The sum over rows would not fit 16 bits.
  bool narrow = is_floating(logits.dtype()) && item_size(logits.dtype()) == 2;
  Tensor scores = narrow ? to(logits, DType::f32) : *logits;
  CrossEntropyOptions summed = options;
  summed.reduction = Reduction::sum;
  Tensor sum =
      cross_entropy(reshape(scores, {rows, logits.size(-1)}), reshape(targets, {rows}), summed);
  return {sum, weight_of(targets, options)};
}

}  // namespace tessera::nn
