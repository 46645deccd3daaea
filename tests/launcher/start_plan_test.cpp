#include "launcher/experiment/start_plan.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.h"
#include "launcher/experiment/run_directory.h"
#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

using test::TempDir;

class StartPlanOfJob : public testing::Test {
 protected:
  RunConfig config() const {
    RunConfig config;
    config.dir = folder_ / "run";
    return config;
  }
  // As a rank does once it has taken its start.
  void write_config() const { folder_.write("run/config.yaml", "run: {}\n"); }

  TempDir folder_;
  LaunchedJob first_{.id = "job", .generation = 1, .num_ranks = 2, .rank = 0};
  LaunchedJob second_{.id = "job", .generation = 2, .num_ranks = 2, .rank = 0};
};

TEST_F(StartPlanOfJob, RestartedRanksGoOnWithTheRunOfTheirJob) {
  plan_start(config(), first_);
  write_config();
  StartPlan plan = plan_start(config(), second_);
  EXPECT_TRUE(plan.continues);
  EXPECT_TRUE(plan.may_pass_over);
  EXPECT_EQ(plan.directory, folder_ / "run");
}

TEST_F(StartPlanOfJob, RanksThatDiedBeforeTheirRunHadBegunBeginIt) {
  plan_start(config(), first_);
  EXPECT_FALSE(plan_start(config(), second_).continues);
}

TEST_F(StartPlanOfJob, TheRunOfAnotherJobIsNotTakenFor) {
  plan_start(config(), {.id = "other", .generation = 1, .num_ranks = 2, .rank = 0});
  write_config();
  EXPECT_THROW(plan_start(config(), second_), Error);
  EXPECT_THROW(plan_start(config(), first_), Error);
}

TEST_F(StartPlanOfJob, WithoutALauncherThereIsNoJob) {
  plan_start(config(), {});
  EXPECT_FALSE(std::filesystem::exists(RunDirectory(folder_ / "run").job()));
}

}  // namespace
}  // namespace tessera::experiment
