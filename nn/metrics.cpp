#include "nn/metrics.h"

#include <algorithm>
#include <cmath>

#include "autograd/context.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/creation.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/index.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/where.h"

namespace tessera::nn {
namespace {

constexpr int64_t kTop = 5;

void check_accuracy(const Tensor& logits, const Tensor& targets, const AccuracyOptions& options) {
  const Dims& shape = targets.shape();
  TESSERA_CHECK(options.k >= 1, "[accuracy] expected a k of at least 1, got {}", options.k);
  TESSERA_CHECK(logits.dim() == shape.size() + 1 &&
                    std::equal(shape.begin(), shape.end(), logits.shape().begin()),
                "[accuracy] expected targets of the leading shape of logits {}, got {}",
                logits.shape(), shape);
  TESSERA_CHECK(targets.dtype() == DType::i64, "[accuracy] expected targets of i64, got {}",
                targets.dtype());
}

}  // namespace

Loss accuracy(TensorArg logits, TensorArg targets, const AccuracyOptions& options) {
  const Composed scope;
  const NoGrad constants;
  check_accuracy(logits, targets, options);
  Tensor counts = ne(targets, options.ignore_index);
  Tensor target = unsqueeze(where(counts, targets, 0), -1);
  Tensor own = gather(logits, -1, target);
  Tensor places(arange(logits.size(-1)).data().to(logits.device()));
  Tensor larger = gt(logits, own) | isnan(logits) | (eq(logits, own) & lt(places, target));
  Tensor found = lt(sum(larger, -1), options.k) & counts & !squeeze(isnan(own), -1);
  return {sum(found), sum(counts).item<double>()};
}

std::vector<MetricInfo> class_metrics(int64_t classes) {
  std::vector<MetricInfo> metrics{{.name = "accuracy", .higher_is_better = true, .is_share = true}};
  if (classes > kTop) {
    metrics.push_back({.name = "top5", .higher_is_better = true, .is_share = true});
  }
  return metrics;
}

std::vector<Loss> class_metrics_of(TensorArg logits, TensorArg targets) {
  const Composed scope;
  const NoGrad constants;
  Tensor classes = targets;
  if (is_floating(targets.dtype()) && targets.dim() == logits.dim()) classes = argmax(targets, -1);
  std::vector<Loss> metrics{accuracy(logits, classes)};
  if (logits.size(-1) > kTop) metrics.push_back(accuracy(logits, classes, {.k = kTop}));
  return metrics;
}

MetricInfo perplexity_metric() {
  return {.name = "perplexity", .of_mean = [](double mean) { return std::exp(mean); }};
}

}  // namespace tessera::nn
