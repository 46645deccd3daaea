// What says how good a model is, besides its loss.
#pragma once

#include <string>
#include <vector>

#include "nn/loss.h"

namespace tessera::nn {

// A mean over samples (or tokens, or pixels), or what a function makes of it.
struct MetricInfo {
  std::string name;                     // a word that records have too: accuracy
  double (*of_mean)(double) = nullptr;  // the exponential for a perplexity; null: the mean itself
  bool higher_is_better = false;
  bool is_share = false;  // of 1: people read it in percent
};

struct AccuracyOptions {
  int64_t k = 1;
  int64_t ignore_index = -100;  // places with this target do not count
};

// Of logits (..., C) against targets i64 of the leading shape: how many targets are among the k
// classes with the largest logits, as a sum i64, and how many targets count. Of equal logits the
// first ones are the larger, as for argmax; logits of NaN are larger than all numbers, and a target
// with one is missed. An Error for a k below 1, other shapes, and a target that is no class.
Loss accuracy(TensorArg logits, TensorArg targets, const AccuracyOptions& options = {});

// What classifiers of that many classes are judged by: accuracy, and with more than five of them
// top5, the share of targets among the five likeliest classes.
std::vector<MetricInfo> class_metrics(int64_t classes);
// These of logits (..., C), with targets as cross_entropy_loss takes them; of probabilities the
// likeliest class counts.
std::vector<Loss> class_metrics_of(TensorArg logits, TensorArg targets);

// The exponential of a mean cross-entropy. Higher than a double is infinity.
MetricInfo perplexity_metric();

}  // namespace tessera::nn
