#include "tests/distributed/step_matrix.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/ranks.h"

namespace tessera::test {
namespace {

TEST(StepMatrix, SettingsDoNotChangeTheDigest) {
  int count = 0;
  for (const Setting& setting : settings()) {
    if (setting.backend != "thread") continue;
    ++count;
    std::string expected = expected_digest(setting);
    run_ranks(setting.ranks, [&](Communicator& comm) {
      EXPECT_EQ(digest_after_training(comm, setting), expected) << to_string(setting);
    });
  }
  EXPECT_GE(count, 15);
}

// What is no setting but changes the sums: the digest would show it.
TEST(StepMatrix, ButFastSumsDo) {
  for (const char* task : {"gpt", "conv"}) {
    Setting setting{.task = task, .backend = "thread", .strategy = Strategy::zero3, .ranks = 2};
    std::string expected = expected_digest(setting);
    run_ranks(2, [&](Communicator& comm) {
      EXPECT_NE(digest_after_training(comm, setting, ReductionMode::fast), expected) << task;
    });
    Setting narrow = setting;
    narrow.bf16 = true;
    EXPECT_NE(expected_digest(narrow), expected);
  }
}

// Rules of whole parameters under everything that shares them out, without the other settings.
TEST(StepMatrix, WholeParametersHaveOneDigestUnderAllStrategies) {
  for (const char* optimizer : {"muon", "adafactor"}) {
    Setting setting{.task = "gpt", .backend = "thread", .optimizer = optimizer};
    std::string expected = expected_digest(setting);
    for (int ranks : {2, 3, 4}) {
      for (Strategy strategy :
           {Strategy::ddp, Strategy::zero1, Strategy::zero2, Strategy::zero3, Strategy::hybrid}) {
        setting.ranks = ranks;
        setting.strategy = strategy;
        run_ranks(ranks, [&](Communicator& comm) {
          EXPECT_EQ(digest_after_training(comm, setting), expected) << to_string(setting);
        });
      }
    }
  }
  EXPECT_NE(expected_digest({.task = "gpt", .backend = "thread", .optimizer = "muon"}),
            expected_digest({.task = "gpt", .backend = "thread", .optimizer = "adafactor"}));
}

TEST(StepMatrix, HasEveryPairOfSettings) {
  std::set<std::string> pairs;
  for (const Setting& s : settings()) {
    pairs.insert(fmt::format("{} {}", s.backend, s.ranks));
    pairs.insert(fmt::format("{} {}", name(s.strategy), s.ranks));
    pairs.insert(fmt::format("{} {}", name(s.strategy), s.bf16));
    pairs.insert(fmt::format("{} {}", name(s.strategy), s.optimizer));
    pairs.insert(fmt::format("{} {}", s.optimizer, s.ranks));
  }
  EXPECT_EQ(pairs.size(), 2U * 6 + 5 * 6 + 5 * 2 + 5 * 4 + 4 * 6);
}

}  // namespace
}  // namespace tessera::test
