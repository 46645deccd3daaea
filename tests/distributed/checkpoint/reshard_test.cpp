// Training that is saved under one strategy and number of ranks and goes on under another.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "autograd/context.h"
#include "core/allocator.h"
#include "core/digest.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "distributed/checkpoint/checkpoint_saver.h"
#include "nn/optim/ema.h"
#include "tests/distributed/tasks.h"
#include "tests/support/error_of.h"
#include "tests/support/pairwise.h"
#include "tests/support/ranks.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

constexpr int64_t kSaved = 2;
constexpr int64_t kSteps = 4;
const std::vector<int> kRanks{1, 2, 3, 4, 8};

struct Layout {
  Strategy strategy = Strategy::ddp;
  int ranks = 1;
};

struct Kind {
  bool conv = false;  // batch norm's buffers; else a GPT with tied weights
  bool bf16 = false;
  std::string optimizer = "adamw";  // of optimizer_of
  friend bool operator<(const Kind& a, const Kind& b) {
    return std::tie(a.conv, a.bf16, a.optimizer) < std::tie(b.conv, b.bf16, b.optimizer);
  }
};

// One rank's training.
class Training {
 public:
  Training(Communicator& comm, Kind kind, Layout layout)
      : comm_(comm), mesh_(comm, shape_of(layout.strategy, comm.size())) {
    manual_seed(7);
    {
      nn::DeferInit defer;
      if (kind.conv) task_ = std::make_unique<ConvTask>();
      else task_ = std::make_unique<GptTask>(0.1);
    }
    optimizer_ = std::make_unique<optim::Ema>(*optimizer_of(kind.optimizer, task_->module()), 0.9);
    StepOptions options{.leaves = 9,
                        .clip_norm = 0.05,
                        .strategy = layout.strategy,
                        .bucket_bytes = layout.ranks % 2 == 0 ? 4096 : int64_t{25} << 20};
    if (kind.bf16) options.dtype = DType::bf16;
    step_ = std::make_unique<TrainStep>(task_->module(), *optimizer_, mesh_, options);
  }

  void train_to(int64_t step) {
    while (step_->steps_done() < step) {
      step_->run(0.01, [&](Leaf leaf) { return task_->loss(leaf); });
    }
  }
  void save(const std::string& folder) {
    CheckpointSaver saver(CheckpointFolder(folder), comm_.rank(), {.keep = 9});
    CheckpointInfo info{.step = step_->steps_done(), .ranks = comm_.size()};
    EXPECT_EQ(saver.save(pieces_to_write(step_->held()), info).error, "");
    comm_.barrier().wait();
  }
  void load(const std::string& checkpoint) {
    CheckpointReader reader(checkpoint);
    check_same_tensors(reader.manifest(), task_->module(), *optimizer_, checkpoint);
    read_state(reader, step_->held());
    step_->restored(reader.manifest().info.step);
  }
  TrainStep& step() { return *step_; }
  nn::Module& module() { return task_->module(); }
  const optim::Optimizer& optimizer() const { return *optimizer_; }

 private:
  Communicator& comm_;
  Mesh mesh_;
  std::unique_ptr<Task> task_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
};

std::string name_of(Kind kind) {
  return fmt::format("{} {} {}", kind.conv ? "conv" : "gpt", kind.bf16 ? "bf16" : "f32",
                     kind.optimizer);
}

std::string name_of(Kind kind, Layout layout) {
  return fmt::format("{} {} on {}", name_of(kind), name(layout.strategy), layout.ranks);
}

// Every tensor of a checkpoint: parameters, moments, averages and buffers.
std::string digest_of(const std::string& checkpoint) {
  CheckpointReader reader(checkpoint);
  std::vector<std::pair<std::string, Array>> arrays;
  for (const TensorInfo& tensor : reader.tensors()) {
    arrays.emplace_back(tensor.name, reader.read(tensor));
  }
  return digest(arrays);
}

class Reshard : public testing::Test {
 protected:
  // Without a break, on one rank.
  const std::string& expected(Kind kind) {
    std::string& known = expected_[kind];
    if (known.empty()) {
      std::string folder = folder_ / ("whole " + name_of(kind));
      run_ranks(1, [&](Communicator& comm) {
        Training training(comm, kind, {});
        training.train_to(kSteps);
        training.save(folder);
      });
      known = digest_of(CheckpointFolder(folder).checkpoint(kSteps));
    }
    return known;
  }
  // The checkpoint of a run that was broken off.
  const std::string& saved(Kind kind, Layout layout) {
    std::string& known = saved_[name_of(kind, layout)];
    if (known.empty()) {
      std::string folder = folder_ / name_of(kind, layout);
      run_ranks(layout.ranks, [&](Communicator& comm) {
        Training training(comm, kind, layout);
        training.train_to(kSaved);
        training.save(folder);
      });
      known = CheckpointFolder(folder).checkpoint(kSaved);
    }
    return known;
  }
  void expect_to_go_on(Kind kind, Layout from, Layout to) {
    const std::string& checkpoint = saved(kind, from);
    std::string folder = folder_ / "end";
    std::filesystem::remove_all(folder);
    run_ranks(to.ranks, [&](Communicator& comm) {
      Training training(comm, kind, to);
      training.load(checkpoint);
      training.train_to(kSteps);
      training.save(folder);
    });
    EXPECT_EQ(digest_of(CheckpointFolder(folder).checkpoint(kSteps)), expected(kind))
        << name_of(kind, from) << " to " << name_of(kind, to);
  }

  TempDir folder_;
  std::map<Kind, std::string> expected_;
  std::map<std::string, std::string> saved_;
};

TEST_F(Reshard, SavedUnderAnySettingGoesOnUnderAnyOther) {
  auto ranks = static_cast<int>(kRanks.size());
  std::vector<int> factors{2, 2, 5, ranks, 5, ranks};
  bool whole = std::getenv("TESSERA_TEST_WHOLE_PRODUCT") != nullptr;
  for (const Levels& levels : whole ? product(factors) : pairwise(factors)) {
    auto layout = [&](size_t i) {
      return Layout{static_cast<Strategy>(levels[i]), kRanks[static_cast<size_t>(levels[i + 1])]};
    };
    expect_to_go_on({levels[0] == 1, levels[1] == 1}, layout(2), layout(4));
  }
}

// Their state has shapes of its own, and each parameter's is with one rank.
TEST_F(Reshard, StateOfWholeParametersGoesOnUnderAnyOther) {
  for (const char* optimizer : {"muon", "adafactor"}) {
    for (bool bf16 : {false, true}) {
      Kind kind{.bf16 = bf16, .optimizer = optimizer};
      expect_to_go_on(kind, {Strategy::zero1, 2}, {Strategy::zero3, 3});
      expect_to_go_on(kind, {Strategy::zero3, 4}, {Strategy::ddp, 2});
      expect_to_go_on(kind, {Strategy::ddp, 3}, {Strategy::hybrid, 4});
      expect_to_go_on(kind, {Strategy::hybrid, 4}, {Strategy::zero2, 1});
    }
  }
}

// Each of its rules' states, and points that are exchanged in what is held.
TEST_F(Reshard, StateOfEveryElementwiseRuleGoesOnUnderAnyOther) {
  for (bool bf16 : {false, true}) {
    Kind kind{.bf16 = bf16, .optimizer = "elementwise"};
    expect_to_go_on(kind, {Strategy::zero1, 3}, {Strategy::zero3, 2});
    expect_to_go_on(kind, {Strategy::zero3, 4}, {Strategy::ddp, 1});
  }
}

TEST_F(Reshard, ATensorIsWrittenOnceWhateverHoldsIt) {
  for (Strategy strategy : {Strategy::ddp, Strategy::zero1, Strategy::zero3, Strategy::hybrid}) {
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    CheckpointReader reader(saved({}, {strategy, 4}));
    for (const FileRecord& file : reader.manifest().files) {
      least = std::min(least, file.bytes);
      most = std::max(most, file.bytes);
    }
    EXPECT_LT(most, 2 * least) << name(strategy) << ": ranks share the work";
    reader.verify();
  }
}

TEST_F(Reshard, AnotherModelIsRefusedByName) {
  const std::string& checkpoint = saved({}, {Strategy::zero3, 2});
  run_ranks(1, [&](Communicator& comm) {
    Training other(comm, {.conv = true}, {});
    EXPECT_TRUE(contains(error_of([&] { other.load(checkpoint); }), "it has no 'conv.weight'"));
    Training same(comm, {}, {});
    // Without averages there are tensors too many, and with them in a run without, too few.
    optim::AdamW plain = adamw_of(same.module());
    CheckpointReader reader(checkpoint);
    EXPECT_TRUE(contains(
        error_of([&] { check_same_tensors(reader.manifest(), same.module(), plain, checkpoint); }),
        "for which this run has no use"));
  });
}

// Beside the state, which is there already, loading takes no arrays at all; reading a tensor whole
// would.
TEST_F(Reshard, LoadingTakesNoMemoryBesideTheState) {
  const std::string& checkpoint = saved({}, {Strategy::ddp, 1});
  run_ranks(1, [&](Communicator& comm) {
    Training training(comm, {}, {});
    auto peak_of = [](const std::function<void()>& fn) {
      int64_t before = allocator::stats().current_bytes;
      allocator::reset_peak();
      fn();
      return allocator::stats().peak_bytes - before;
    };
    EXPECT_EQ(peak_of([&] { training.load(checkpoint); }), 0);
    CheckpointReader reader(checkpoint);
    EXPECT_GT(peak_of([&] { reader.read(*reader.find("wte.weight")); }), 0);
  });
}

// The negative control: other state, other end.
TEST_F(Reshard, WithoutTheMomentsTheEndDiffers) {
  const std::string& checkpoint = saved({}, {Strategy::ddp, 1});
  std::string folder = folder_ / "end";
  run_ranks(1, [&](Communicator& comm) {
    Training training(comm, {}, {});
    training.load(checkpoint);
    for (const HeldTensor& held : training.step().held()) {
      if (held.name == "exp_avg/wte.weight") held.data.fill_(0);
    }
    training.train_to(kSteps);
    training.save(folder);
  });
  EXPECT_NE(digest_of(CheckpointFolder(folder).checkpoint(kSteps)), expected({}));
}

}  // namespace
}  // namespace tessera::test
