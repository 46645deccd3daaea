#include "tests/distributed/step_matrix.h"

#include <cstdlib>
#include <map>
#include <mutex>

#include "autograd/context.h"
#include "core/digest.h"
#include "core/parallel.h"
#include "distributed/comm/direct/thread_communicator.h"
#include "tests/distributed/tasks.h"
#include "tests/support/pairwise.h"

namespace tessera::test {
namespace {

constexpr int kSteps = 10;
constexpr int64_t kLeaves = 9;
constexpr int64_t kWholeBuckets = int64_t{25} << 20;

const std::vector<std::string> kTasks{"gpt", "conv"};
const std::vector<std::string> kOptimizers{"adamw", "muon", "adafactor", "elementwise"};
const std::vector<std::string> kBackends{"thread", "mpi"};
const std::vector<int> kRanks{1, 2, 3, 4, 6, 8};
const std::vector<int64_t> kBucketBytes{1, kWholeBuckets};

// How many values each factor of a Setting has.
const std::vector<int> kFactors{2, 2, 2, 5, static_cast<int>(kRanks.size()), 2, 2, 2, 2, 4};

Setting setting_of(const Levels& levels) {
  auto at = [&](size_t i) { return static_cast<size_t>(levels[i]); };
  return {.task = kTasks[at(0)],
          .bf16 = levels[1] == 1,
          .backend = kBackends[at(2)],
          .strategy = static_cast<Strategy>(levels[3]),
          .ranks = kRanks[at(4)],
          .threads = 1 + levels[5],
          .bucket_bytes = kBucketBytes[at(6)],
          .recompute = levels[7] == 1,
          .nodes = levels[8] == 1,
          .optimizer = kOptimizers[at(9)]};
}

std::unique_ptr<Task> make_task(const std::string& name) {
  if (name == "gpt") return std::make_unique<GptTask>(0.1);
  return std::make_unique<ConvTask>();
}

}  // namespace

std::string to_string(const Setting& setting) {
  return fmt::format("{} {} {} {} {} ranks={} threads={} bucket={} recompute={} nodes={}",
                     setting.task, setting.optimizer, setting.bf16 ? "bf16" : "f32",
                     setting.backend, name(setting.strategy), setting.ranks, setting.threads,
                     setting.bucket_bytes, setting.recompute, setting.nodes);
}

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = [] {
    std::vector<Setting> out;
    bool whole = std::getenv("TESSERA_TEST_WHOLE_PRODUCT") != nullptr;
    for (const Levels& levels : whole ? product(kFactors) : pairwise(kFactors))
      out.push_back(setting_of(levels));
    return out;
  }();
  return all;
}

std::string digest_after_training(Communicator& comm, const Setting& setting, ReductionMode mode) {
  set_num_threads(setting.threads);
  manual_seed(7);
  std::unique_ptr<Task> task = make_task(setting.task);
  auto optimizer = optimizer_of(setting.optimizer, task->module());
  StepOptions options{.leaves = kLeaves,
                      .clip_norm = 0.05,
                      .strategy = setting.strategy,
                      .reduction = mode,
                      .bucket_bytes = setting.bucket_bytes,
                      .recompute = setting.recompute};
  if (setting.bf16) options.dtype = DType::bf16;
  int per_node = setting.nodes && comm.size() % 2 == 0 ? 2 : 0;
  Mesh mesh(comm, shape_of(setting.strategy, comm.size(), per_node));
  TrainStep step(task->module(), *optimizer, mesh, options);
  for (int i = 0; i < kSteps; ++i) {
    StepResult result = step.run(0.01, [&](Leaf leaf) { return task->loss(leaf); });
    TESSERA_CHECK(result.finite() && result.grad_norm() > 0.05, "the test means to clip");
  }
  return digest(step.state());
}

std::string expected_digest(const Setting& setting) {
  static std::mutex mutex;
  static std::map<std::tuple<std::string, std::string, bool>, std::string> known;
  std::lock_guard lock(mutex);
  std::string& digest = known[{setting.task, setting.optimizer, setting.bf16}];
  if (digest.empty()) {
    Setting alone{.task = setting.task,
                  .bf16 = setting.bf16,
                  .backend = "thread",
                  .bucket_bytes = kWholeBuckets,
                  .optimizer = setting.optimizer};
    digest = digest_after_training(*make_self_communicator(), alone);
  }
  return digest;
}

}  // namespace tessera::test
