// A run: from a config to a trained model.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "distributed/train_step.h"
#include "launcher/experiment/components.h"
#include "launcher/experiment/progress.h"
#include "launcher/experiment/run_directory.h"

namespace tessera::experiment {

// One rank's part of a run. Everything that can be wrong with a config and its data is found by the
// constructor, before the run leaves anything behind.
class Trainer {
 public:
  // The data are opened and the model is made. No collective: a rank may fail alone here.
  explicit Trainer(Config config);

  // ConfigError if that many ranks cannot share the work.
  void check_ranks(int num_ranks) const;

  // Trains and saves. Rank 0 keeps the run's directory and prints; each rank keeps its own log.
  // Collective: the ranks first compare what their bits depend on.
  void run(Communicator& comm);

 private:
  struct Session;

  nn::Loss loss_of(const data::Dataset& dataset, std::span<const int64_t> indices) const;
  StepResult train_one(TrainStep& step, int64_t index);
  void train_all(Session& session);
  // The mean loss over the validation data, the same bits for any number of ranks.
  double validate(TrainStep& step);
  void finish(Session& session);
  int64_t batch_units() const;

  Config config_;
  const ModelSection& model_section_;
  const DataSection& data_section_;
  const OptimSection& optim_section_;
  const ScheduleSection& schedule_section_;
  std::unique_ptr<nn::Model> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  DataSets data_;
};

}  // namespace tessera::experiment
