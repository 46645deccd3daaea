#include "nn/models/model.h"

namespace tessera::nn {
namespace {

Loss loss_of_outputs(const Tensor& outputs, const data::Batch& batch) {
  TESSERA_CHECK(batch.targets.defined(), "[Model::loss] expected a batch with targets");
  return cross_entropy_loss(outputs, batch.targets);
}

}  // namespace

Loss Model::compute_loss(const data::Batch& batch) {
  Tensor outputs = (*this)(batch, call_place.site);
  const Composed scope;
  return loss_of_outputs(outputs, batch);
}

Evaluation Model::evaluate(const data::Batch& batch, CallSite site) {
  const NotedCall call(site);
  Evaluation evaluation = compute_evaluation(batch);
  TESSERA_CHECK(evaluation.metrics.size() == metrics().size(),
                "[Model::evaluate] expected as many metrics as metrics() lists, {}, got {}",
                metrics().size(), evaluation.metrics.size());
  return evaluation;
}

Evaluation Model::compute_evaluation(const data::Batch& batch) { return {compute_loss(batch)}; }

Evaluation Classifier::compute_evaluation(const data::Batch& batch) {
  Tensor outputs = (*this)(batch, call_place.site);
  const Composed scope;
  return {loss_of_outputs(outputs, batch), class_metrics_of(outputs, batch.targets)};
}

Evaluation LanguageModel::compute_evaluation(const data::Batch& batch) {
  Loss loss = compute_loss(batch);
  return {loss, {loss}};
}

}  // namespace tessera::nn
