// A module that can be trained by itself.
#pragma once

#include "nn/data/dataset.h"
#include "nn/loss.h"
#include "nn/module.h"

namespace tessera::nn {

// What is hidden stays reachable by the base, which is the point.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverloaded-virtual"

class Model : public Module {
 public:
  // The outputs for inputs of the kind that the model's data have: logits.
  virtual Tensor forward(const Tensor& inputs) = 0;
  // What training minimizes: cross-entropy of forward(inputs) against targets unless overridden.
  virtual Loss loss(const data::Batch& batch) {
    Tensor outputs = forward(batch.inputs);
    const Composed scope;
    return cross_entropy_loss(outputs, batch.targets);
  }
};

// A model of this library: a call on it knows its place, as a layer's does. Derived classes
// override compute. Two classes, because a name in the second hides the first's.
class OwnModelFunction : public Model {
 public:
  Tensor forward(const Tensor& inputs) final {
    const Composed scope;
    return compute(inputs);
  }

 protected:
  virtual Tensor compute(const Tensor& inputs) = 0;
};

class OwnModel : public OwnModelFunction {
 public:
  Tensor forward(const Tensor& inputs, CallSite site = {}) {
    const NotedCall call(site);
    return OwnModelFunction::forward(inputs);
  }
  Loss loss(const data::Batch& batch, CallSite site = {}) {
    const NotedCall call(site);
    const Composed scope;
    return Model::loss(batch);
  }
};

#pragma GCC diagnostic pop

}  // namespace tessera::nn
