#include "launcher/experiment/start_plan.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.h"
#include "launcher/experiment/process_info.h"
#include "launcher/experiment/run_directory.h"
#include "tests/support/error_of.h"
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
  // By a rank 0 that ends then.
  StartPlan plan(const job::LaunchedJob& job) const {
    RunLock lock;
    return plan_start(config(), job, lock);
  }
  // As a rank does once it has taken its start.
  void write_config() const { folder_.write("run/config.yaml", "run: {}\n"); }

  TempDir folder_;
  job::LaunchedJob first_{.id = "job", .generation = 1, .num_ranks = 2, .rank = 0};
  job::LaunchedJob second_{.id = "job", .generation = 2, .num_ranks = 2, .rank = 0};
};

TEST_F(StartPlanOfJob, RestartedRanksGoOnWithTheRunOfTheirJob) {
  plan(first_);
  write_config();
  StartPlan plan = this->plan(second_);
  EXPECT_TRUE(plan.continues);
  EXPECT_TRUE(plan.may_pass_over);
  EXPECT_EQ(plan.directory, folder_ / "run");
}

TEST_F(StartPlanOfJob, RanksThatDiedBeforeTheirRunHadBegunBeginIt) {
  plan(first_);
  EXPECT_FALSE(plan(second_).continues);
}

TEST_F(StartPlanOfJob, TheRunOfAnotherJobIsNotTakenFor) {
  plan({.id = "other", .generation = 1, .num_ranks = 2, .rank = 0});
  write_config();
  EXPECT_THROW(plan(second_), Error);
  EXPECT_THROW(plan(first_), Error);
}

// Of two jobs that begin in one folder at once, one does.
TEST_F(StartPlanOfJob, AFolderIsOneJobs) {
  RunLock lock;
  plan_start(config(), first_, lock);
  std::string error = test::error_of([&] { plan({.id = "other", .generation = 1}); });
  EXPECT_TRUE(
      test::contains(error, (folder_ / "run") + ": the run in this folder is another job's"));
  EXPECT_TRUE(test::contains(error, fmt::format("process {} on '", process_id())));
  EXPECT_TRUE(test::contains(error, "job 'job'"));
  // Ranks of the same job that were started again are not kept out.
  RunLock again;
  plan_start(config(), second_, again);
}

TEST_F(StartPlanOfJob, WithoutALauncherThereIsNoJob) {
  plan({});
  EXPECT_FALSE(std::filesystem::exists(RunDirectory(folder_ / "run").job()));
}

}  // namespace
}  // namespace tessera::experiment
