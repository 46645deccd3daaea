// How good a model is on data that it was not trained on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/dtype.h"
#include "distributed/checkpoint/checkpoint_folder.h"
#include "distributed/train_step.h"
#include "launcher/experiment/config/schema.h"
#include "launcher/experiment/metrics/metric_sink.h"
#include "nn/data/dataset.h"
#include "nn/models/model.h"

namespace tessera::experiment {

// Which samples an evaluation looks at, in batches: all of them, the last batch being as small as
// what is left, or `most` batches, spread evenly over the data.
class ValidationBatches {
 public:
  // Of that many samples, at least one. most = 0, or as many as there are: all.
  ValidationBatches(int64_t samples, int64_t batch_size, int64_t most);
  int64_t size() const { return batches_; }
  std::vector<int64_t> samples_of(int64_t batch) const;

 private:
  int64_t samples_;
  int64_t batch_size_;
  int64_t batches_;
  int64_t taken_;  // samples
};

// What checkpoint.best names; a ConfigError where the model has no such metric.
BestBy best_by(const SwitchOrName& best, const nn::Model& model);

struct Validation {
  double loss = 0;
  // The model's (nn::Model::metrics), under their names.
  std::vector<Metric> metrics = {};

  // For a checkpoint.
  std::vector<NamedNumber> numbers() const;
  // Under the names of records: valid_loss, valid_accuracy.
  std::vector<Metric> records() const;
};

// An Error where a metric of a model has no name, another's, or "loss", as its loss has.
void check_metrics(const std::vector<nn::MetricInfo>& metrics);

// The model's loss and metrics on these batches: the same bits for any number of ranks. Images are
// given as that dtype. step is the model's, which trains again afterwards, whatever data or model
// throw. A collective.
Validation validate(TrainStep& step, nn::Model& model, const data::Dataset& data,
                    const ValidationBatches& batches, DType dtype);

}  // namespace tessera::experiment
