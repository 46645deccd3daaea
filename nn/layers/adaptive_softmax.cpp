#include "nn/layers/adaptive_softmax.h"

#include <cmath>
#include <limits>

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

constexpr const char* kAdaptive = "AdaptiveLogSoftmaxWithLoss";

std::vector<int64_t> checked_cutoffs(std::vector<int64_t> cutoffs, int64_t classes) {
  bool grow = !cutoffs.empty() && cutoffs[0] >= 1 && cutoffs.back() < classes;
  for (size_t i = 1; i < cutoffs.size(); ++i) grow = grow && cutoffs[i - 1] < cutoffs[i];
  TESSERA_CHECK(grow, "[{}] expected cutoffs that grow, from 1 to below {}, got ({})", kAdaptive,
                classes, fmt::join(cutoffs, ", "));
  cutoffs.push_back(classes);
  return cutoffs;
}

Tensor indices(const std::vector<int64_t>& values, Device device) {
  return Tensor(Array::from(values, {static_cast<int64_t>(values.size())}).to(device));
}

// Which samples have targets in [begin, end); all of them where targets are not known, in a plan.
std::vector<int64_t> samples_in(const std::vector<int64_t>& targets, int64_t begin, int64_t end,
                                bool known) {
  std::vector<int64_t> samples;
  for (size_t n = 0; n < targets.size(); ++n) {
    bool inside = targets[n] >= begin && targets[n] < end;
    if (inside || !known) samples.push_back(static_cast<int64_t>(n));
  }
  return samples;
}

}  // namespace

AdaptiveLogSoftmaxWithLoss::AdaptiveLogSoftmaxWithLoss(Module* parent, std::string name, int64_t in,
                                                       int64_t classes,
                                                       std::vector<int64_t> cutoffs,
                                                       AdaptiveSoftmaxOptions options)
    : Callable(parent, std::move(name)),
      in_(in),
      cutoffs_(checked_cutoffs(std::move(cutoffs), classes)),
      head_(this, "head", in, cutoffs_[0] + static_cast<int64_t>(cutoffs_.size()) - 1,
            {.bias = options.head_bias}),
      tail_(this, "tail") {
  TESSERA_CHECK(options.div_value > 0, "[{}] expected a positive div_value, got {}", kAdaptive,
                options.div_value);
  keep_callers_place();
  for (size_t i = 0; i + 1 < cutoffs_.size(); ++i) {
    double times = std::pow(options.div_value, static_cast<double>(i + 1));
    auto width = static_cast<int64_t>(std::floor(static_cast<double>(in) / times));
    TESSERA_CHECK(width >= 1, "[{}] a div_value of {} leaves cluster {} of {} features none",
                  kAdaptive, options.div_value, i, in);
    tail_.emplace_back()
        .add<Linear>(in, width, Linear::Options{.bias = false})
        .add<Linear>(width, cutoffs_[i + 1] - cutoffs_[i], Linear::Options{.bias = false});
  }
}

void AdaptiveLogSoftmaxWithLoss::check_input(const Tensor& x) const {
  TESSERA_CHECK(x.dim() == 2 && x.size(1) == in_, "[{}] expected an input (N, {}), got {}",
                kAdaptive, in_, x.shape());
}

Tensor AdaptiveLogSoftmaxWithLoss::log_prob_in(size_t cluster, const Tensor& x) const {
  return log_softmax(tail_[cluster](x), 1);
}

std::vector<int64_t> AdaptiveLogSoftmaxWithLoss::checked_targets(const Tensor& x,
                                                                 const Tensor& target) const {
  bool batched = target.dim() == 1;
  TESSERA_CHECK(
      target.dim() <= 1 && x.dim() == target.dim() + 1 && (!batched || x.size(0) == target.size(0)),
      "[{}] expected an input (N, {}) and targets (N,), or ({},) and (), got {} and {}", kAdaptive,
      in_, in_, x.shape(), target.shape());
  check_input(batched ? x : unsqueeze(x, 0));
  TESSERA_CHECK(target.dtype() == DType::i64, "[{}] expected targets of i64, got {}", kAdaptive,
                target.dtype());
  if (target.device().type == DeviceType::meta) {
    return std::vector<int64_t>(static_cast<size_t>(target.numel()), 0);
  }
  std::vector<int64_t> targets = target.data().to(Device{}).to_vector<int64_t>();
  for (int64_t t : targets) {
    TESSERA_CHECK(t >= 0 && t < cutoffs_.back(), "[{}] expected targets in [0, {}), got {}",
                  kAdaptive, cutoffs_.back(), t);
  }
  return targets;
}

AdaptiveSoftmaxResult AdaptiveLogSoftmaxWithLoss::forward(const Tensor& given,
                                                          const Tensor& target) const {
  std::vector<int64_t> targets = checked_targets(given, target);
  bool known = target.device().type != DeviceType::meta;
  bool batched = target.dim() == 1;
  Tensor x = batched ? given : unsqueeze(given, 0);
  // What each target is in the head: itself, or its cluster.
  std::vector<int64_t> in_head = targets;
  Tensor in_tail = zeros({x.size(0)}, x.dtype(), x.device());
  for (size_t i = 0; i + 1 < cutoffs_.size(); ++i) {
    std::vector<int64_t> samples = samples_in(targets, cutoffs_[i], cutoffs_[i + 1], known);
    std::vector<int64_t> in_cluster;
    for (int64_t n : samples) {
      auto at = static_cast<size_t>(n);
      in_cluster.push_back(known ? targets[at] - cutoffs_[i] : 0);
      in_head[at] = shortlist() + static_cast<int64_t>(i);
    }
    // Without samples too: every rank's parameters have gradients.
    Tensor rows = indices(samples, x.device());
    Tensor all = log_prob_in(i, index_select(x, 0, rows));
    Tensor own = gather(all, 1, unsqueeze(indices(in_cluster, x.device()), 1));
    in_tail = index_add(in_tail, 0, rows, squeeze(own, 1));
  }
  Tensor head = log_softmax(head_(x), 1);
  Tensor output = squeeze(gather(head, 1, unsqueeze(indices(in_head, x.device()), 1)), 1) + in_tail;
  Loss loss{-sum(output, {}, false, output.dtype() == DType::f64 ? DType::f64 : DType::f32),
            static_cast<double>(x.size(0))};
  return {batched ? output : squeeze(output, 0), loss};
}

Tensor AdaptiveLogSoftmaxWithLoss::log_prob_of(const Tensor& x, const Tensor& head) const {
  Tensor all = log_softmax(head, 1);
  std::vector<Tensor> parts{narrow(all, 1, 0, shortlist())};
  for (size_t i = 0; i + 1 < cutoffs_.size(); ++i) {
    Tensor cluster = narrow(all, 1, shortlist() + static_cast<int64_t>(i), 1);
    parts.push_back(log_prob_in(i, x) + cluster);
  }
  return cat(parts, 1);
}

Tensor AdaptiveLogSoftmaxWithLoss::log_prob(const Tensor& x) const {
  const Composed scope;
  check_input(x);
  return log_prob_of(x, head_(x));
}

Tensor AdaptiveLogSoftmaxWithLoss::predict(const Tensor& x) const {
  const Composed scope;
  check_input(x);
  Tensor head = head_(x);
  Tensor likeliest = argmax(head, 1);
  if (likeliest.device().type == DeviceType::meta) return likeliest;
  std::vector<int64_t> classes = likeliest.data().to(Device{}).to_vector<int64_t>();
  std::vector<int64_t> samples =
      samples_in(classes, shortlist(), std::numeric_limits<int64_t>::max(), true);
  if (samples.empty()) return likeliest;
  Tensor rows = indices(samples, x.device());
  Tensor all = log_prob_of(index_select(x, 0, rows), index_select(head, 0, rows));
  Tensor found = argmax(all, 1);
  std::vector<int64_t> in_tail = found.data().to(Device{}).to_vector<int64_t>();
  for (size_t i = 0; i < samples.size(); ++i) classes[static_cast<size_t>(samples[i])] = in_tail[i];
  return indices(classes, x.device());
}

}  // namespace tessera::nn
