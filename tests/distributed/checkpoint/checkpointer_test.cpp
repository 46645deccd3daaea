#include "distributed/checkpoint/checkpointer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <mutex>

#include "autograd/context.h"
#include "core/digest.h"
#include "distributed/agreement.h"
#include "tests/distributed/tasks.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A loop of a user's own.
struct Loop {
  GptTask task{0.1};
  optim::AdamW optimizer = adamw_of(task.module());
  Mesh mesh;
  TrainStep step;

  Loop(Communicator& comm, Strategy strategy)
      : mesh(comm), step(task.module(), optimizer, mesh, {.leaves = 6, .strategy = strategy}) {}

  void train_to(int64_t steps, Checkpointer* checkpoints = nullptr) {
    while (step.steps_done() < steps) {
      step.run(0.01, [&](Leaf leaf) { return task.loss(leaf); });
      if (checkpoints) checkpoints->after_step({.position = 6 * step.steps_done()});
    }
  }
  std::string digest() { return tessera::digest(step.state()); }
};

// Each rank's loop, made alike.
void run_loops(int ranks, Strategy strategy,
               const std::function<void(Loop&, Communicator&)>& body) {
  run_ranks(ranks, [&](Communicator& comm) {
    manual_seed(7);
    Loop loop(comm, strategy);
    body(loop, comm);
  });
}

// The loop without a break, on one rank.
std::string digest_after(int64_t steps) {
  std::string out;
  run_loops(1, Strategy::ddp, [&](Loop& loop, Communicator&) {
    loop.train_to(steps);
    out = loop.digest();
  });
  return out;
}

class CheckpointerTest : public testing::Test {
 protected:
  std::vector<int64_t> steps() const { return CheckpointFolder(folder_).steps(); }
  std::string checkpoint(int64_t step) const { return CheckpointFolder(folder_).checkpoint(step); }
  // A loop that has saved each of so many steps.
  void make_checkpoints(int64_t steps) {
    run_loops(1, Strategy::ddp, [&](Loop& loop, Communicator&) {
      Checkpointer checkpoints(loop.step, folder_, {.every = 1, .keep = 100});
      loop.train_to(steps, &checkpoints);
    });
  }

  TempDir place_;
  std::string folder_ = place_ / "made/checkpoints";
};

TEST_F(CheckpointerTest, ALoopGoesOnFromItsNewestWithOtherRanksAndStrategy) {
  std::string expected = digest_after(5);
  for (bool background : {true, false}) {
    std::filesystem::remove_all(folder_);
    run_loops(2, Strategy::zero2, [&](Loop& loop, Communicator&) {
      Checkpointer checkpoints(loop.step, folder_, {.every = 2, .background = background});
      Checkpointer::Start start = checkpoints.resume_latest();
      EXPECT_EQ(start.from, "");
      EXPECT_EQ(start.step, 0);
      loop.train_to(3, &checkpoints);
      checkpoints.wait();
      Checkpointer::Messages messages = checkpoints.take_messages();
      ASSERT_EQ(messages.done.size(), 1);
      EXPECT_TRUE(contains(messages.done[0], "step 2: checkpoint " + checkpoint(2)));
      EXPECT_TRUE(messages.failed.empty());
    });
    run_loops(3, Strategy::zero3, [&](Loop& loop, Communicator&) {
      Checkpointer checkpoints(loop.step, folder_, {.every = 2, .background = background});
      Checkpointer::Start start = checkpoints.resume_latest();
      EXPECT_EQ(start.from, checkpoint(2));
      EXPECT_EQ(start.step, 2);
      EXPECT_EQ(start.position, 12);
      EXPECT_TRUE(start.notes.empty());
      loop.train_to(5, &checkpoints);
      EXPECT_EQ(loop.digest(), expected);
    });
  }
}

TEST_F(CheckpointerTest, InTheForegroundACheckpointIsThereWhenTheStepIsOver) {
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, folder_, {.every = 1, .background = false});
    for (int64_t step = 1; step <= 3; ++step) {
      loop.train_to(step, &checkpoints);
      EXPECT_EQ(steps().front(), step);
    }
  });
}

TEST_F(CheckpointerTest, KeepsTheNewestAndTheBest) {
  run_loops(2, Strategy::zero1, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, folder_,
                             {.every = 1, .keep = 1, .keep_best = true, .background = false});
    for (double metric : {3.0, 1.0, 2.0, 4.0}) {
      loop.train_to(loop.step.steps_done() + 1);
      checkpoints.after_step({.metric = metric});
    }
    loop.train_to(5);
    EXPECT_EQ(checkpoints.save({.metric = 5.0, .last = true}), checkpoint(5));
  });
  EXPECT_EQ(steps(), (std::vector<int64_t>{5, 2}));
}

TEST_F(CheckpointerTest, KeepsTheBestByAMetricOfTheLoops) {
  const std::vector<double> accuracies{0.5, 0.9, 0.7, 0.8};
  for (bool higher : {true, false}) {
    std::string folder = folder_ + (higher ? "-highest" : "-lowest");
    run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator&) {
      Checkpointer checkpoints(loop.step, folder,
                               {.every = 1,
                                .keep = 1,
                                .keep_best = true,
                                .best_by = {"accuracy", higher},
                                .background = false});
      for (double accuracy : accuracies) {
        loop.train_to(loop.step.steps_done() + 1);
        // The loss alone would keep the first one.
        checkpoints.after_step({.metric = static_cast<double>(loop.step.steps_done()),
                                .metrics = {{"top5", 1}, {"accuracy", accuracy}}});
      }
      loop.train_to(5);
      checkpoints.save({.last = true});
    });
    std::vector<int64_t> left = CheckpointFolder(folder).steps();
    EXPECT_EQ(left, (std::vector<int64_t>{5, higher ? 2 : 1}));
  }
}

TEST_F(CheckpointerTest, BeginsWhereItIsTold) {
  make_checkpoints(3);
  std::string expected = digest_after(2);
  run_loops(2, Strategy::zero3, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, place_ / "another");
    EXPECT_EQ(checkpoints.resume({.checkpoints = {checkpoint(2)}}).step, 2);
    EXPECT_EQ(loop.digest(), expected);
  });
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, folder_);
    EXPECT_EQ(checkpoints.resume({}).from, "");
    EXPECT_EQ(loop.step.steps_done(), 0);
    try {
      checkpoints.resume({.checkpoints = {checkpoint(9)}, .what = "--from"});
      FAIL() << "expected a SharedError";
    } catch (const SharedError& error) {
      EXPECT_TRUE(contains(error.what(), "--from: ")) << error.what();
      EXPECT_TRUE(contains(error.what(), "step-00000009")) << error.what();
    }
  });
}

TEST_F(CheckpointerTest, PassesOverADamagedOneAndSavesThatStepAgain) {
  make_checkpoints(3);
  std::filesystem::resize_file(checkpoint(3) + "/rank-0-of-1.safetensors", 100);
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator& comm) {
    Checkpointer checkpoints(loop.step, folder_, {.every = 1, .keep = 9});
    Checkpointer::Start start = checkpoints.resume_latest();
    EXPECT_EQ(start.from, checkpoint(2));
    ASSERT_EQ(start.notes.size(), comm.rank() == 0 ? 2 : 1);
    EXPECT_TRUE(contains(start.notes[0], "passed over a damaged checkpoint: "));
    if (comm.rank() == 0) {
      EXPECT_TRUE(contains(start.notes[1], "it is now called "));
    }
    loop.train_to(3, &checkpoints);
    checkpoints.wait();
  });
  EXPECT_EQ(steps().front(), 3);
  EXPECT_EQ(CheckpointReader(checkpoint(3)).manifest().info.ranks, 2);
}

TEST_F(CheckpointerTest, NothingGoesOnWhereAllAreDamaged) {
  make_checkpoints(1);
  std::filesystem::resize_file(checkpoint(1) + "/rank-0-of-1.safetensors", 100);
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, folder_);
    EXPECT_TRUE(contains(error_of([&] { checkpoints.resume_latest(); }),
                         "resume: none of the 1 checkpoints in " + folder_));
  });
  EXPECT_EQ(steps(), std::vector<int64_t>{1});
}

TEST_F(CheckpointerTest, KeepsWhatTheLoopSaysAndAsksWhetherItGoesOn) {
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, folder_,
                             {.describe = [] { return CheckpointInfo{.seed = 7, .data = "kjv"}; }});
    loop.train_to(1);
    checkpoints.save({.position = 6, .digest = "d1"});
  });
  CheckpointInfo info = CheckpointReader(checkpoint(1)).manifest().info;
  EXPECT_EQ(info.seed, 7);
  EXPECT_EQ(info.data, "kjv");
  EXPECT_EQ(info.position, 6);
  EXPECT_EQ(info.ranks, 2);
  EXPECT_EQ(info.updates, 1);
  EXPECT_EQ(info.digest, "d1");
  auto accept = [](const CheckpointInfo& before, const std::string& what) {
    TESSERA_CHECK(before.seed != 7, "{}: it has the seed of another loop", what);
    return std::vector<std::string>();
  };
  auto note = [](const CheckpointInfo& before, const std::string&) {
    return std::vector<std::string>{"the data were " + before.data};
  };
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator&) {
    Checkpointer refusing(loop.step, folder_, {.accept = accept});
    EXPECT_THROW(refusing.resume_latest(), SharedError);
    EXPECT_EQ(loop.step.steps_done(), 0);
    Checkpointer noting(loop.step, folder_, {.accept = note});
    EXPECT_EQ(noting.resume_latest().notes, std::vector<std::string>{"the data were kjv"});
  });
}

// What cannot be written, for the folder is a file now.
TEST_F(CheckpointerTest, AFailedSaveIsToldOrEndsTraining) {
  for (bool background : {true, false}) {
    for (bool ends : {false, true}) {
      std::filesystem::remove_all(folder_);
      run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator& comm) {
        Checkpointer checkpoints(
            loop.step, folder_,
            {.every = 1, .background = background, .failures_end_training = ends});
        comm.barrier().wait();
        if (comm.rank() == 0) {
          std::filesystem::remove_all(folder_);
          place_.write("made/checkpoints", "");
        }
        comm.barrier().wait();
        if (ends) {
          EXPECT_THROW(loop.train_to(3, &checkpoints), SharedError);
          EXPECT_EQ(loop.step.steps_done(), background ? 2 : 1);
        } else {
          loop.train_to(3, &checkpoints);
          checkpoints.wait();
          Checkpointer::Messages messages = checkpoints.take_messages();
          ASSERT_EQ(messages.failed.size(), 3);
          EXPECT_TRUE(contains(messages.failed[0], "step 1: no checkpoint was saved: "));
        }
        EXPECT_THROW(checkpoints.save({}), SharedError);
      });
    }
  }
}

TEST_F(CheckpointerTest, NothingIsSavedOfAStateThatIsNotFinite) {
  run_loops(2, Strategy::zero2, [&](Loop& loop, Communicator& comm) {
    Checkpointer checkpoints(loop.step, folder_, {.every = 1});
    loop.train_to(1);
    HeldTensor held = loop.step.held().front();
    if (comm.rank() == 1) held.data.data<float>()[0] = std::numeric_limits<float>::infinity();
    EXPECT_THROW(checkpoints.after_step({}), SharedError);
    EXPECT_TRUE(contains(error_of([&] { checkpoints.save({}); }), "is not finite"));
  });
  EXPECT_TRUE(steps().empty());
}

TEST_F(CheckpointerTest, NothingGoesOnFromAMetricThatIsNotFinite) {
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator& comm) {
    Checkpointer checkpoints(loop.step, folder_, {.every = 1});
    loop.train_to(1);
    checkpoints.after_step({.metric = kNan});
    checkpoints.wait();
    ASSERT_EQ(checkpoints.take_messages().failed.size(), 1);
    std::string path = checkpoints.save({.metric = kNan, .last = true});
    if (comm.rank() == 0) {
      EXPECT_NE(path, checkpoint(1));
      EXPECT_TRUE(std::filesystem::exists(path)) << path;
    }
  });
  EXPECT_TRUE(steps().empty());
}

TEST_F(CheckpointerTest, ASnapshotInMemoryComesBeforeOlderCheckpoints) {
  std::string expected = digest_after(4);
  CheckpointerOptions options{.every = 2, .snapshots = {.folder = place_ / "memory", .every = 1}};
  run_loops(2, Strategy::zero3, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, folder_, options);
    loop.train_to(3, &checkpoints);
  });
  run_loops(2, Strategy::zero3, [&](Loop& loop, Communicator&) {
    Checkpointer checkpoints(loop.step, folder_, options);
    Checkpointer::Start start = checkpoints.resume_latest();
    EXPECT_EQ(start.from, "a snapshot in memory of step 3");
    EXPECT_EQ(start.position, 18);
    loop.train_to(4, &checkpoints);
    EXPECT_EQ(loop.digest(), expected);
  });
}

TEST_F(CheckpointerTest, WrongOptionsAndFoldersAreErrors) {
  place_.write("a file", "");
  run_loops(2, Strategy::ddp, [&](Loop& loop, Communicator&) {
    auto message = [&](const std::string& folder, CheckpointerOptions options) {
      return error_of([&] { Checkpointer checkpoints(loop.step, folder, std::move(options)); });
    };
    EXPECT_TRUE(contains(message(folder_, {.every = -1}), "`every` of at least 0, got -1"));
    EXPECT_TRUE(contains(message(folder_, {.keep = 0}), "`keep` of at least 1, got 0"));
    EXPECT_TRUE(contains(message(folder_, {.snapshots = {.folder = "/dev/shm/x", .every = 0}}),
                         "`snapshots.every` of at least 1, got 0"));
    EXPECT_THROW(Checkpointer(loop.step, place_ / "a file/checkpoints"), SharedError);
  });
}

}  // namespace
}  // namespace tessera::test
