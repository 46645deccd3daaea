// A module that can be trained by itself.
#pragma once

#include "nn/callable.h"
#include "nn/data/dataset.h"
#include "nn/loss.h"

namespace tessera::nn {

// Called as a function of a batch, of which it takes the fields that it needs:
//
//   class Net final : public nn::Model {
//    public:
//     Tensor forward(const data::Batch& batch) override { return fc_(flatten(batch.images)); }
//     ...
//   Tensor logits = net({.images = images});
class Model : public Callable<Model> {
 public:
  using Callable::Callable;
  // The outputs: logits, say.
  virtual Tensor forward(const data::Batch& batch) = 0;
  Tensor operator()(const data::Batch& batch, CallSite site = {}) {
    return call(*this, site, batch);
  }
  // What training minimizes.
  Loss loss(const data::Batch& batch, CallSite site = {}) {
    const NotedCall call(site);
    return compute_loss(batch);
  }

 protected:
  // Cross-entropy of the outputs against batch.targets, unless overridden.
  virtual Loss compute_loss(const data::Batch& batch);
};

}  // namespace tessera::nn
