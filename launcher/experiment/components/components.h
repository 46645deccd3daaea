// What a config can choose: the sections `model`, `data`, `optim` and `schedule` that know how to
// make what they describe. A program adds its own to a Catalog.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "launcher/experiment/components/parameter_groups.h"
#include "launcher/experiment/config/config.h"
#include "nn/data/contract.h"
#include "nn/data/dataset.h"
#include "nn/models/model.h"
#include "nn/optim/optimizer.h"
#include "nn/optim/plateau.h"

namespace tessera::experiment {

class ModelSection : public Section {
 public:
  // Parameters start from the calling thread's manual_seed.
  virtual std::unique_ptr<nn::Model> make() const = 0;
  // What data it takes: those of the config are checked against it before it runs.
  virtual data::DataContract contract() const { return {}; }
};

struct DataSets {
  std::unique_ptr<data::Dataset> train;
  std::unique_ptr<data::Dataset> valid;  // null: nothing to validate on
};

// The Dataset::identity of each, a line for one.
std::string identity(const DataSets& sets);

// A global batch is `leaves` micro-batches of `micro_batch` samples.
class DataSection : public Section {
 public:
  int64_t micro_batch = 4;
  int64_t leaves = 1;

  void visit(FieldVisitor& v) override;
  // Throws ConfigError if the model cannot use the data, Error if they cannot be read.
  virtual DataSets open(const ModelSection& model) const = 0;
  // A micro-batch without elements, on the device meta, as `open` would give, and how much of the
  // allocator's memory the data take: for plans. Errors as of open_data, as far as the data are
  // here.
  struct Example {
    data::Batch batch;
    int64_t data_bytes = 0;
  };
  virtual Example example(const ModelSection& model) const;
  // What throughput counts, and how many of them a sample has.
  virtual std::string unit() const { return "samples"; }
  virtual int64_t units_per_sample(const ModelSection&) const { return 1; }
};

// A ConfigError, naming the key, where the model cannot use such data, which are called `name` and
// lie in `place`.
void check_fit(const data::DataContract& model, const data::DataContract& data,
               const std::string& name, const std::string& place);

// The section's data; an Error where there are no samples to train on, or none to validate on.
DataSets open_data(const DataSection& section, const ModelSection& model);

class OptimSection : public Section {
 public:
  static constexpr int64_t kOutlierWindow = 100;
  static constexpr int64_t kSwaEvery = 1;

  double lr = 1e-3;
  double clip_norm = 1.0;
  double clip_value = 0;
  std::optional<double> skip_outliers;
  int64_t outlier_window = kOutlierWindow;
  double ema = 0;
  std::optional<int64_t> swa_start;
  int64_t swa_every = kSwaEvery;
  std::string groups;

  void visit(FieldVisitor& v) override;
  // That its rules' options and `groups` can be, all but what only a model shows; and that no key
  // is given that means nothing beside the others.
  void check() const override;
  virtual std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const = 0;
  // Whether it is for a rate that stays: no other schedule goes with it.
  virtual bool replaces_schedule() const { return false; }
  // Whether its rule asks for the loss itself (optim::ClosureRule): it takes no scaled ones.
  virtual bool asks_for_loss() const { return false; }

 protected:
  // Whose options are keys of the section and settings of `groups`. None: the section makes its
  // optimizer in a way of its own, and knows what it does with `groups`.
  virtual std::vector<SectionRule> rules() const { return {}; }
  // An optimizer of the module's parameters by rules(), of which rule_of chooses, with what
  // `groups` says of some. ConfigErrors are those of divide_parameters.
  std::unique_ptr<optim::Optimizer> optimizer_of(
      const nn::Module& module,
      const RuleOf& rule_of = [](const std::string&, const Tensor&) { return size_t{0}; }) const;
};

// The section's optimizer, with the averages that it asks for.
std::unique_ptr<optim::Optimizer> make_optimizer(const OptimSection& section,
                                                 const nn::Module& module);

class ScheduleSection : public Section {
 public:
  // The learning rate of a step, counted from 0, in a run of `steps`: of these numbers alone, lr
  // being the highest rate.
  virtual double lr_at(int64_t step, int64_t steps, double lr) const = 0;
  // What stands for lr there where the highest rate follows validation losses: those of evaluations
  // from `first_step` steps on. None: lr stays.
  struct Feedback {
    optim::PlateauSchedule schedule;
    int64_t first_step;
  };
  virtual std::optional<Feedback> feedback(double) const { return {}; }
};

// All that launcher/CMakeLists.txt lists: a file of models/, datasets/, optimizers/ or schedules/
// each, with a function of the file's name that gives its Option.
Catalog builtin_catalog();

}  // namespace tessera::experiment
