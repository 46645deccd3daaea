#include "launcher/agent/rank_environment.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tessera::agent {
namespace {

class RankEnvironmentOfTwoNodes : public testing::Test {
 protected:
  RankEnvironmentOfTwoNodes() {
    for (int slots : {2, 3}) {
      auto* node = environment_.plan.add_nodes();
      node->set_slots(slots);
      node->set_address("10.0.0." + std::to_string(slots));
      node->set_port(4000 + slots);
    }
    environment_.plan.set_world_size(5);
    environment_.plan.set_generation(4);
    environment_.place = 1;
    environment_.job_id = "job";
    environment_.shared_memory = "/dev/shm/x";
    environment_.snapshots = "/dev/shm/s";
  }
  bool has(const std::vector<std::string>& inherited, const std::string& entry) const {
    std::vector<std::string> all = environment_.common(inherited);
    return std::count(all.begin(), all.end(), entry) == 1;
  }

  RankEnvironment environment_;
};

TEST_F(RankEnvironmentOfTwoNodes, SaysWhereARankIs) {
  EXPECT_EQ(environment_.first_rank(), 2);
  EXPECT_EQ(environment_.of(1)[0], "RANK=3");
  EXPECT_EQ(environment_.of(1)[1], "LOCAL_RANK=1");
  for (const char* entry : {"WORLD_SIZE=5", "LOCAL_WORLD_SIZE=3", "NODE_RANK=1",
                            "MASTER_ADDR=10.0.0.2", "MASTER_PORT=4002", "TESSERA_GENERATION=4"}) {
    EXPECT_TRUE(has({}, entry)) << entry;
  }
}

TEST_F(RankEnvironmentOfTwoNodes, TheUsersChoicesStandAndTheLaunchersOwnDoNotYield) {
  EXPECT_TRUE(has({}, "OMPI_MCA_btl=self,vader,tcp"));
  EXPECT_TRUE(has({"OMPI_MCA_btl=self,tcp"}, "OMPI_MCA_btl=self,tcp"));
  EXPECT_FALSE(has({"OMPI_MCA_btl=self,tcp"}, "OMPI_MCA_btl=self,vader,tcp"));
  EXPECT_TRUE(has({"OMP_NUM_THREADS=7"}, "OMP_NUM_THREADS=7"));
  EXPECT_TRUE(has({"WORLD_SIZE=99", "PATH=/bin"}, "WORLD_SIZE=5"));
  EXPECT_FALSE(has({"WORLD_SIZE=99"}, "WORLD_SIZE=99"));
  EXPECT_TRUE(has({"PATH=/bin"}, "PATH=/bin"));
}

TEST_F(RankEnvironmentOfTwoNodes, NodesThatMetOnTheLoopbackSpeakOverIt) {
  constexpr const char* kLoopback = "OMPI_MCA_btl_tcp_if_include=lo";
  EXPECT_FALSE(has({}, kLoopback));
  for (auto& node : *environment_.plan.mutable_nodes()) node.set_address("127.0.0.1");
  EXPECT_TRUE(has({}, kLoopback));
  EXPECT_FALSE(has({"OMPI_MCA_btl_tcp_if_exclude=eth1"}, kLoopback));
  EXPECT_FALSE(has({"OMPI_MCA_btl_tcp_if_include=eth0"}, kLoopback));
}

TEST_F(RankEnvironmentOfTwoNodes, OneNodeOpensNoPortForMpi) {
  environment_.plan.mutable_nodes()->RemoveLast();
  environment_.place = 0;
  EXPECT_TRUE(has({}, "OMPI_MCA_btl=self,vader"));
}

TEST_F(RankEnvironmentOfTwoNodes, CoresAreGivenOnlyWhereThereAreEnough) {
  environment_.plan.mutable_nodes(1)->set_slots(1);
  EXPECT_FALSE(environment_.cores_of(0).empty());
  environment_.plan.mutable_nodes(1)->set_slots(4096);
  EXPECT_TRUE(environment_.cores_of(0).empty());
  environment_.plan.mutable_nodes(1)->set_slots(1);
  environment_.bind = false;
  EXPECT_TRUE(environment_.cores_of(0).empty());
}

}  // namespace
}  // namespace tessera::agent
