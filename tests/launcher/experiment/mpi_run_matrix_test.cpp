// Run by mpirun with one to four ranks: the runs of the matrix that are for MPI and as many, and
// what plans say against what the ranks take.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/allocator.h"
#include "core/parallel.h"
#include "distributed/agreement.h"
#include "launcher/experiment/plan.h"
#include "tests/launcher/experiment/run_matrix.h"
#include "tests/support/mpi_tests.h"
#include "tests/support/pairwise.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

using namespace experiment;

MpiEnvironment* environment = nullptr;  // of main

// A folder that all ranks see, with data; rank 0 makes and removes it.
class SharedFolder {
 public:
  explicit SharedFolder(Communicator& comm) : comm_(comm) {
    if (comm.rank() == 0) make_data(own_.emplace().path());
    path_ = gather_texts(comm, own_ ? own_->path() : "")[0];
  }
  ~SharedFolder() {
    try {
      comm_.barrier().wait();
    } catch (const Error&) {
      // The test has failed already.
    }
  }
  const std::string& path() const { return path_; }

 private:
  Communicator& comm_;
  std::optional<TempDir> own_;
  std::string path_;
};

TEST(MpiRunMatrix, HasOneEnd) {
  auto comm = environment->world();
  SharedFolder folder(*comm);
  MatrixRuns runs(folder.path(), [&](int, const MakeTrainer& make) {
    int code = train_rank(*comm, make);
    comm->barrier().wait();
    return code;
  });
  int count = 0;
  for (const RunSetting& setting : run_settings()) {
    if (setting.backend != "mpi" || setting.first.ranks != comm->size()) continue;
    if (!refusal_of(setting.model, setting.optimizer).empty()) continue;
    ++count;
    try {
      runs.begin(setting);
      if (comm->rank() > 0) continue;
      EXPECT_EQ(runs.end(setting), runs.expected(setting)) << to_string(setting);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
      comm->abort(error.what());
      return;
    }
  }
  EXPECT_GE(count, 5);
}

// What a plan must foresee.
struct Planned {
  ModelCase model;
  OptimizerCase optimizer;
  Strategy strategy;
  bool bf16;
  bool recompute;
  int leaves_per_rank;
  bool checkpoints;

  std::string yaml(const std::string& folder, int ranks) const {
    return yaml_of(model.name, model.small, optimizer, folder) +
           fmt::format(
               "run: {{steps: 2, eval_batches: 1, dir: {}/run}}\ncompute: {{dtype: {}, recompute: "
               "{}}}\nparallel: {{strategy: {}, group: {}}}\ncheckpoint: {{every: {}}}\n",
               folder, bf16 ? "bf16" : "f32", recompute ? "blocks" : "none", name(strategy),
               ranks / 2, checkpoints ? 1 : 0);
  }
  std::string text() const {
    return fmt::format("{} {} {} {} recompute={} leaves of a rank={} checkpoints={}", model.name,
                       optimizer.name, name(strategy), bf16 ? "bf16" : "f32", recompute,
                       leaves_per_rank, checkpoints);
  }
};

// Every pair; where the environment has TESSERA_TEST_WHOLE_PRODUCT, the product of all but the last
// two, which are dealt over it.
std::vector<Planned> planned() {
  std::vector<OptimizerCase> optimizers{{"adamw", "name: adamw"},
                                        {"sgd", "name: sgd"},
                                        {"muon", "name: muon"},
                                        {"adafactor", "name: adafactor"},
                                        {"averages", "name: adam, ema: 0.9, swa_start: 1"}};
  std::vector<int> factors{static_cast<int>(model_cases().size()),
                           static_cast<int>(optimizers.size()), 5, 2, 2};
  std::vector<Levels> levels;
  if (std::getenv("TESSERA_TEST_WHOLE_PRODUCT")) {
    levels = product(factors);
    for (size_t i = 0; i < levels.size(); ++i) {
      levels[i].push_back(static_cast<int>(i / 3 % 2));
      levels[i].push_back(static_cast<int>(i / 7 % 2));
    }
  } else {
    factors.insert(factors.end(), {2, 2});
    levels = pairwise(factors);
  }
  std::vector<Planned> all;
  for (const Levels& at : levels) {
    Planned one{model_cases()[static_cast<size_t>(at[0])],
                optimizers[static_cast<size_t>(at[1])],
                static_cast<Strategy>(at[2]),
                at[3] == 1,
                at[4] == 1,
                at[5] == 1 ? 3 : 1,
                at[6] == 1};
    if (refusal_of(one.model, one.optimizer).empty()) all.push_back(std::move(one));
  }
  return all;
}

// The allocator's peak after two steps, as the run's own records have it.
double recorded_peak(const std::string& folder) {
  std::ifstream metrics(folder + "/run/metrics.jsonl");
  std::string line;
  std::getline(metrics, line);
  std::getline(metrics, line);
  return nlohmann::json::parse(line)["memory_bytes"].get<double>();
}

double planned_peak(const Config& config, int ranks, Strategy strategy) {
  Plan plan = make_plan(config, {.ranks = ranks});
  for (const StrategyPlan& one : plan.strategies) {
    if (one.strategy == name(strategy)) return static_cast<double>(one.peak);
  }
  return 0;
}

// What a plan has on its way when memory is scarcest, and a run may have sent by then.
double largest_block_bytes(const Config& config) {
  nn::DeferInit defer;
  auto model = config.model.as<ModelSection>().make();
  int64_t most = 0;
  for (const nn::Module* block : model->blocks()) most = std::max(most, block->num_parameters());
  return 4.0 * static_cast<double>(most);
}
bool shards_gradients(Strategy strategy) {
  return strategy != Strategy::ddp && strategy != Strategy::zero1;
}

TEST(MpiPlan, IsTheAllocatorsPeakWithinFivePercent) {
  auto comm = environment->world();
  if (comm->size() % 2 != 0) GTEST_SKIP() << "for an even number of ranks";
  SharedFolder folder(*comm);
  set_num_threads(1);
  // What small kernels take for themselves, which is more than 5% of a model as small as lenet.
  constexpr double kScratch = 16 << 10;
  for (const Planned& one : planned()) {
    Config config = load_config(
        one.yaml(folder.path(), comm->size()), one.text(),
        std::vector<std::string>{"data.micro_batch=8",
                                 fmt::format("data.leaves={}", one.leaves_per_rank * comm->size())},
        builtin_catalog());
    double expected = comm->rank() == 0 ? planned_peak(config, comm->size(), one.strategy) : 0;
    double in_flight = shards_gradients(one.strategy) ? largest_block_bytes(config) : 0;
    auto before = static_cast<double>(allocator::stats().current_bytes);
    allocator::reset_peak();
    int code = train_rank(*comm, [&] { return std::make_unique<Trainer>(std::move(config)); });
    comm->barrier().wait();
    ASSERT_EQ(code, 0) << one.text();
    if (comm->rank() > 0) continue;
    double measured = recorded_peak(folder.path()) - before;
    EXPECT_LT(measured, 1.05 * expected + kScratch) << one.text();
    EXPECT_GT(measured, 0.95 * expected - in_flight) << one.text();
    std::filesystem::remove_all(folder.path() + "/run");
  }
}

}  // namespace
}  // namespace tessera::test

int main(int argc, char** argv) {
  return tessera::test::run_mpi_tests(argc, argv, tessera::test::environment);
}
