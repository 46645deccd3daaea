// Runs of every model and optimizer that a config can name, under settings that must not matter, in
// combination.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "launcher/experiment/ranks.h"

namespace tessera::test {

// A model of the catalog: the keys of its section for a run that takes no time, and for one whose
// memory is its own rather than its allocator's. An Error where a model of the catalog has none.
struct ModelCase {
  std::string name;
  std::string tiny;
  std::string small;
};
const std::vector<ModelCase>& model_cases();

// An optimizer of the catalog as it is, under its name, or one with more options.
struct OptimizerCase {
  std::string name;
  std::string section;  // "name: adam, amsgrad: true"
  std::string schedule = "cosine";
};
const std::vector<OptimizerCase>& optimizer_cases();

// Why a model cannot have an optimizer: a part of the ConfigError; empty where it can.
std::string refusal_of(const ModelCase& model, const OptimizerCase& optimizer);

// The YAML of a run: its model, data, optimizer and schedule, with micro-batches of two samples.
// `data` is a folder of make_data.
std::string yaml_of(const std::string& model, const std::string& keys,
                    const OptimizerCase& optimizer, const std::string& data);
// Writes a text, and images of 12 x 12 of three kinds.
void make_data(const std::string& folder);

// What must not matter.
struct Layout {
  Strategy strategy = Strategy::ddp;
  int ranks = 1;
  int threads = 1;  // of a rank
  bool recompute = false;
};
struct RunSetting {
  ModelCase model;
  OptimizerCase optimizer;
  bool bf16 = false;
  std::string backend = "thread";  // of the first layout; or "mpi"
  Layout first = {};
  Layout then = {};  // after a stop halfway, with ranks that are threads
};
std::string to_string(const RunSetting& setting);

// Every pair of two settings at least once; where the environment has TESSERA_TEST_WHOLE_PRODUCT,
// the product of model, optimizer, backend and the first layout's strategy, ranks and threads, over
// which the others are dealt.
const std::vector<RunSetting>& run_settings();

// Trains on that many ranks, and returns the exit code. When it does, no rank trains any more.
using TrainRanks = std::function<int(int ranks, const experiment::MakeTrainer& make)>;

// Runs in a folder that has data of make_data.
class MatrixRuns {
 public:
  // Where ranks are processes, each has one of these, and the folder is the same for all.
  MatrixRuns(std::string folder, TrainRanks train)
      : folder_(std::move(folder)), train_(std::move(train)) {}

  // Trains half of 10 steps, or of 40 in the whole product, in the setting's first layout.
  void begin(const RunSetting& setting);
  // Then the other half in its second one, in this process alone, and returns the digest of all
  // that the last checkpoint has: parameters, buffers, averages and the optimizer's state.
  std::string end(const RunSetting& setting);
  // That of a run on one rank with one thread and without a stop, in this process alone.
  const std::string& expected(const RunSetting& setting);

 private:
  void train(const RunSetting& setting, const Layout& layout, const TrainRanks& train,
             const std::string& run, int exit_code);
  std::string digest_of_end(const std::string& name);

  std::string folder_;
  TrainRanks train_;
  std::map<std::string, std::string> expected_;
};

}  // namespace tessera::test
