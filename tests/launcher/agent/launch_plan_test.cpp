#include "launcher/agent/launch_plan.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::agent {
namespace {

// tessera-pmix lies beside the tests as it lies beside the command.
class LaunchPlanOf : public testing::Test {
 protected:
  void TearDown() override {
    for (const std::string& name : set_) unsetenv(name.c_str());
  }
  void set(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }
  static LaunchFlags flags() {
    LaunchFlags flags;
    flags.program = {"true"};
    return flags;
  }

  std::vector<std::string> set_;
};

TEST_F(LaunchPlanOf, OneNodeHostsItsOwnRendezvousOnLoopback) {
  LaunchPlan plan = make_launch_plan(flags());
  EXPECT_TRUE(plan.serves);
  EXPECT_EQ(plan.server.host, "127.0.0.1");
  EXPECT_EQ(plan.server.port, 0);
  EXPECT_EQ(plan.agent.job.max_nodes(), 1);
  EXPECT_EQ(plan.agent.node.node_rank(), -1);
}

TEST_F(LaunchPlanOf, APlainJobHasATokenOfItsOwn) {
  LaunchPlan plan = make_launch_plan(flags());
  EXPECT_TRUE(plan.own_token);
  EXPECT_EQ(plan.credentials.token.size(), 64u);
  EXPECT_NE(plan.credentials.token, make_launch_plan(flags()).credentials.token);
  EXPECT_EQ(describe(plan).find(plan.credentials.token), std::string::npos);
  LaunchFlags met = flags();
  met.rendezvous = "127.0.0.1:29400";
  EXPECT_FALSE(make_launch_plan(met).own_token) << "others have to know it";
}

TEST_F(LaunchPlanOf, ManyAgentsOfOneNodeAreNoJob) {
  set("SLURM_PROCID", "1");
  set("SLURM_STEP_NUM_TASKS", "4");
  set("SLURM_STEP_NUM_NODES", "2");
  EXPECT_NE(test::error_of([] { make_launch_plan(flags()); }).find("--ntasks-per-node=1"),
            std::string::npos);
  set("SLURM_STEP_NUM_NODES", "4");
  EXPECT_EQ(test::error_of([] { make_launch_plan(flags()); }), "");
  set("OMPI_COMM_WORLD_SIZE", "2");
  EXPECT_NE(test::error_of([] { make_launch_plan(flags()); }).find("--rdzv"), std::string::npos);
  LaunchFlags met = flags();
  met.rendezvous = "127.0.0.1:29400";
  EXPECT_EQ(test::error_of([&] { make_launch_plan(met); }), "");
}

TEST_F(LaunchPlanOf, NodesOfTheSameMachineHaveDifferentNames) {
  EXPECT_NE(make_launch_plan(flags()).agent.node.host(),
            make_launch_plan(flags()).agent.node.host());
}

TEST_F(LaunchPlanOf, SlurmSaysHowManyNodesThereAreAndWhereTheyMeet) {
  // The step has not all nodes of its job.
  set("SLURM_JOB_NODELIST", "node1,localhost,node[2-3]");
  set("SLURM_JOB_NUM_NODES", "4");
  set("SLURM_STEP_NODELIST", "localhost,node[2-3]");
  set("SLURM_STEP_NUM_NODES", "3");
  set("SLURM_STEP_ID", "0");
  set("SLURM_NODEID", "0");
  set("SLURM_JOB_ID", "41234");
  LaunchPlan first = make_launch_plan(flags());
  EXPECT_TRUE(first.serves);
  EXPECT_EQ(first.server.host, "localhost");
  EXPECT_EQ(first.server.port, 20'000 + 1234);
  EXPECT_EQ(first.agent.job.min_nodes(), 3);
  EXPECT_EQ(first.agent.node.node_rank(), 0);
  set("SLURM_NODEID", "2");
  LaunchPlan last = make_launch_plan(flags());
  EXPECT_FALSE(last.serves);
  EXPECT_EQ(last.agent.node.node_rank(), 2);
  set("SLURM_STEP_ID", "1");
  EXPECT_NE(make_launch_plan(flags()).server.port, first.server.port) << "both may run";
}

TEST_F(LaunchPlanOf, ABatchScriptOfManyNodesLeavesNoneIdle) {
  set("SLURM_JOB_NUM_NODES", "2");
  set("SLURM_NODEID", "0");
  EXPECT_NE(test::error_of([] { make_launch_plan(flags()); }).find("srun --ntasks-per-node=1"),
            std::string::npos);
  set("SLURM_JOB_NUM_NODES", "1");
  EXPECT_EQ(test::error_of([] { make_launch_plan(flags()); }), "");
}

TEST_F(LaunchPlanOf, FlagsGoBeforeSlurm) {
  set("SLURM_STEP_NODELIST", "node[1-3]");
  set("SLURM_STEP_NUM_NODES", "3");
  set("SLURM_STEP_ID", "0");
  set("SLURM_NODEID", "1");
  LaunchFlags given = flags();
  given.rendezvous = "127.0.0.1:5555";
  given.nodes = "2:4";
  given.node_rank = 3;
  LaunchPlan plan = make_launch_plan(given);
  EXPECT_EQ(plan.server.port, 5555);
  EXPECT_EQ(plan.agent.job.min_nodes(), 2);
  EXPECT_EQ(plan.agent.job.max_nodes(), 4);
  EXPECT_EQ(plan.agent.node.node_rank(), 3);
  EXPECT_FALSE(plan.serves);
}

TEST_F(LaunchPlanOf, AHostfileSaysWhichNodeThisIs) {
  test::TempDir folder;
  LaunchFlags given = flags();
  given.hostfile = folder.write("hosts", "127.0.0.1 slots=2\nelsewhere.example\n");
  LaunchPlan plan = make_launch_plan(given);
  EXPECT_EQ(plan.agent.job.min_nodes(), 2);
  EXPECT_EQ(plan.agent.node.node_rank(), 0);
  EXPECT_TRUE(plan.serves);
  given.hostfile = folder.write("others", "203.0.113.1\n203.0.113.2\n");
  EXPECT_NE(test::error_of([&] { make_launch_plan(given); }).find("none of its hosts"),
            std::string::npos);
}

TEST_F(LaunchPlanOf, NothingSecretIsDescribed) {
  test::TempDir folder;
  LaunchFlags given = flags();
  std::string token(40, 'q');
  given.credentials.token_file = folder.write("token", token);
  std::filesystem::permissions(given.credentials.token_file, std::filesystem::perms::owner_read);
  EXPECT_EQ(describe(make_launch_plan(given)).find(token), std::string::npos);
}

}  // namespace
}  // namespace tessera::agent
