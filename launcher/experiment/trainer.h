// A run: from a config to a trained model.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "distributed/checkpoint/checkpointer.h"
#include "distributed/train_step.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/outlier_watch.h"
#include "launcher/experiment/run_directory.h"
#include "launcher/experiment/run_schedule.h"
#include "launcher/experiment/skipped_steps.h"
#include "launcher/experiment/start_plan.h"
#include "launcher/experiment/validation.h"

namespace tessera::experiment {

// One rank's share of a run. Everything that can be wrong with a config and its data is found by
// the constructor, before the run leaves anything behind.
class Trainer {
 public:
  // The data are opened and the model is made. No collective: a rank may fail alone here.
  explicit Trainer(Config config);

  // ConfigError if that many ranks cannot share the work.
  void check_ranks(int num_ranks) const;

  // Trains and saves, from where run.resume says, to the end or until some rank is asked to stop.
  // Rank 0 keeps the run's directory and prints; each rank keeps its own log. Collective: the ranks
  // first compare what their bits depend on.
  enum class Ended { done, stopped };
  Ended run(Communicator& comm);

 private:
  struct Session;

  StepResult train_one(TrainStep& step, int64_t index, int64_t position);
  // run(), or a step that is skipped: outlier_ says why.
  StepResult step_unless_outlier(TrainStep& step, double lr, const TrainStep::LossOfLeaf& loss,
                                 StepCall call);
  Ended train_all(Session& session);
  bool evaluation_is_due(int64_t step) const;
  // How good the model is after a step, if that is due.
  std::optional<Validation> evaluate_if_due(Session& session, int64_t step);
  void record_step(Session& session);
  // The checkpoint that a run ends with; its path.
  std::string save_last(Session& session, const std::optional<Validation>& validation,
                        std::optional<std::string> digest);
  void stop(Session& session, const std::string& why, const std::optional<Validation>& validation);
  Validation validate_now(TrainStep& step);
  // What a checkpoint says of where it was taken.
  static Checkpointer::Point point(const Session& session,
                                   const std::optional<Validation>& validation);
  void finish(Session& session);
  void restore_loop(const Checkpointer::Start& start);
  void start(Session& session, const StartPlan& plan);
  int64_t batch_units() const;

  Config config_;
  const ModelSection& model_section_;
  const DataSection& data_section_;
  const OptimSection& optim_section_;
  RunSchedule schedule_;
  std::unique_ptr<nn::Model> model_;
  BestBy best_by_;  // of checkpoint.best
  std::unique_ptr<optim::Optimizer> optimizer_;
  DataSets data_;
  std::string data_identity_;
  std::optional<OutlierWatch> outliers_;  // of optim.skip_outliers
  std::string outlier_;                   // what the last step was skipped for; empty: it was not
  SkippedSteps skipped_;
};

}  // namespace tessera::experiment
