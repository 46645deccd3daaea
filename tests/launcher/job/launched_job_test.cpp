#include "launcher/job/launched_job.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace tessera::job {
namespace {

// Every variable that is looked at, away for a test.
class LaunchedJobTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"TESSERA_JOB_ID", "TESSERA_GENERATION", "WORLD_SIZE", "RANK", "OMPI_COMM_WORLD_SIZE",
          "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS",
          "SLURM_STEP_ID", "SLURM_NTASKS", "PMI_RANK", "PMI_SIZE", "MV2_COMM_WORLD_RANK",
          "FLUX_TASK_RANK", "JSM_NAMESPACE_RANK", "TORCHELASTIC_RUN_ID"}) {
      const char* value = std::getenv(name);
      if (value) before_[name] = value;
      unsetenv(name);
      names_.push_back(name);
    }
  }
  void TearDown() override {
    for (const char* name : names_) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::map<std::string, std::string> before_;
  std::vector<const char*> names_;
};

TEST_F(LaunchedJobTest, AProcessStartedAloneIsOfNoJob) {
  EXPECT_EQ(launched_job().id, "");
  EXPECT_FALSE(launched_job().begun());
  EXPECT_FALSE(tasks_of_strangers());
  EXPECT_EQ(describe_launcher(), "none: this process was started alone");
}

TEST_F(LaunchedJobTest, TheLauncherSaysWhichRankOfWhichJobThisIs) {
  setenv("TESSERA_JOB_ID", "0123abcd", 1);
  setenv("TESSERA_GENERATION", "2", 1);
  setenv("WORLD_SIZE", "4", 1);
  setenv("RANK", "3", 1);
  LaunchedJob job = launched_job();
  EXPECT_EQ(job.id, "0123abcd");
  EXPECT_EQ(job.generation, 2);
  EXPECT_EQ(job.num_ranks, 4);
  EXPECT_EQ(job.rank, 3);
  EXPECT_TRUE(job.begun());
  EXPECT_EQ(describe_launcher(), "tessera launch, job 0123abcd, generation 2, 4 ranks");
}

TEST_F(LaunchedJobTest, WhatIsNoNumberIsNotKnown) {
  setenv("TESSERA_JOB_ID", "a", 1);
  for (const char* wrong : {"", "two", "-2", "3x", "99999999999999999999"}) {
    setenv("TESSERA_GENERATION", wrong, 1);
    EXPECT_EQ(launched_job().generation, 0) << wrong;
  }
}

TEST_F(LaunchedJobTest, TasksOfAStrangerAreSeveralThatKnowNoMpi) {
  setenv("SLURM_PROCID", "1", 1);
  setenv("SLURM_STEP_NUM_TASKS", "3", 1);
  auto tasks = tasks_of_strangers();
  ASSERT_TRUE(tasks);
  EXPECT_EQ(tasks->launcher, "srun");
  EXPECT_EQ(tasks->count, 3);
  EXPECT_EQ(tasks->number, 1);
  setenv("SLURM_STEP_NUM_TASKS", "1", 1);
  EXPECT_FALSE(tasks_of_strangers());
  setenv("SLURM_STEP_NUM_TASKS", "3", 1);
  setenv("PMIX_RANK", "1", 1);
  EXPECT_FALSE(tasks_of_strangers());
}

}  // namespace
}  // namespace tessera::job
