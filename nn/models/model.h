// A module that can be trained by itself.
#pragma once

#include "nn/callable.h"
#include "nn/data/dataset.h"
#include "nn/loss.h"
#include "nn/metrics.h"

namespace tessera::nn {

// What an evaluation gets of a batch.
struct Evaluation {
  Loss loss;
  std::vector<Loss> metrics = {};  // a sum and a weight for each of Model::metrics()
};

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
  // What it is judged by besides its loss; the same at every call.
  virtual std::vector<MetricInfo> metrics() const { return {}; }
  // The loss and the metrics, by one run of the model. An Error where these are not as many as
  // metrics() says.
  Evaluation evaluate(const data::Batch& batch, CallSite site = {});

 protected:
  // Cross-entropy of the outputs against batch.targets, unless overridden.
  virtual Loss compute_loss(const data::Batch& batch);
  // The loss alone, unless overridden, as it is by a model with metrics:
  //
  //   std::vector<nn::MetricInfo> metrics() const override { return {{.name = "l1"}}; }
  //   nn::Evaluation compute_evaluation(const data::Batch& batch) override {
  //     Tensor outputs = (*this)(batch);
  //     return {nn::mse_loss(outputs, batch.images), {nn::l1_loss(outputs, batch.images)}};
  //   }
  virtual Evaluation compute_evaluation(const data::Batch& batch);
};

// A model whose outputs are logits (..., classes). Its loss is their cross-entropy, its metrics are
// class_metrics.
class Classifier : public Model {
 public:
  explicit Classifier(int64_t classes) : classes_(classes) {}
  std::vector<MetricInfo> metrics() const override { return class_metrics(classes_); }

 protected:
  // Final: a loss of another kind goes with an evaluation of another kind, that of a Model.
  Loss compute_loss(const data::Batch& batch) final { return Model::compute_loss(batch); }
  Evaluation compute_evaluation(const data::Batch& batch) override;

 private:
  int64_t classes_;
};

// A model of tokens whose loss is the mean cross-entropy of each; its metric is perplexity.
class LanguageModel : public Model {
 public:
  using Model::Model;
  std::vector<MetricInfo> metrics() const override { return {perplexity_metric()}; }

 protected:
  Evaluation compute_evaluation(const data::Batch& batch) override;
};

}  // namespace tessera::nn
