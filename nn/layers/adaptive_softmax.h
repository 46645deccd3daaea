// AdaptiveLogSoftmaxWithLoss: a softmax over many classes, most of which are rare.
#pragma once

#include <vector>

#include "nn/layers/container.h"
#include "nn/layers/linear.h"
#include "nn/loss.h"

namespace tessera::nn {

struct AdaptiveSoftmaxOptions {
  double div_value = 4;  // cluster i has in / div_value^(i + 1) features, rounded down
  bool head_bias = false;
};

struct AdaptiveSoftmaxResult {
  Tensor output = {};  // the log-probability of each target: (N,), or () without a batch
  Loss loss = {};      // minus their sum, and N

  template <class F>
  void visit_tensors(F&& f) {
    f(output);
    loss.visit_tensors(f);
  }
};

// torch.nn.AdaptiveLogSoftmaxWithLoss (Grave et al. 2017), with its names of parameters. Classes
// are sorted, the most frequent first. Those below cutoffs[0] and one for each cluster of the
// others, which begin at the cutoffs, are the head's; a cluster's classes are weighed by its part
// of tail, a product through fewer features, for the samples whose target is among them alone. So
// targets are read on the host.
class AdaptiveLogSoftmaxWithLoss : public Callable<AdaptiveLogSoftmaxWithLoss> {
 public:
  using Callable::Callable;
  // cutoffs grow, from 1 to below classes.
  AdaptiveLogSoftmaxWithLoss(Module* parent, std::string name, int64_t in, int64_t classes,
                             std::vector<int64_t> cutoffs, AdaptiveSoftmaxOptions options = {});

  // x (N, in), target i64 (N,) in [0, classes); or (in,) and ().
  AdaptiveSoftmaxResult forward(const Tensor& x, const Tensor& target) const;
  AdaptiveSoftmaxResult operator()(const Tensor& x, const Tensor& target,
                                   CallSite site = {}) const {
    return call(*this, site, x, target);
  }
  // log_prob and predict are no calls of the module: none of its hooks run, and the parameters of a
  // block under zero3 and hybrid are there in TrainStep::whole_parameters only.
  //
  // Of all classes: (N, in) -> (N, classes).
  Tensor log_prob(const Tensor& x) const;
  // The likeliest class, (N, in) -> i64 (N,): of log_prob, without clusters that are not likeliest
  // themselves.
  Tensor predict(const Tensor& x) const;

 private:
  int64_t shortlist() const { return cutoffs_[0]; }
  void check_input(const Tensor& x) const;
  // On the host; zeros where nobody knows them, in a plan.
  std::vector<int64_t> checked_targets(const Tensor& x, const Tensor& target) const;
  // Samples x of cluster i -> (N, the classes in it).
  Tensor log_prob_in(size_t cluster, const Tensor& x) const;
  Tensor log_prob_of(const Tensor& x, const Tensor& head) const;

  int64_t in_;
  std::vector<int64_t> cutoffs_;  // and the number of classes
  Linear head_;
  ModuleList<Sequential> tail_;
};

}  // namespace tessera::nn
