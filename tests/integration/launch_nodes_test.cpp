// `tessera launch` on several nodes: agents that meet at a rendezvous, on this machine's loopback
// and in network namespaces.
#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>

#include "tests/integration/launch_nodes.h"
#include "tests/support/free_port.h"

namespace tessera::test {
namespace {

TEST_F(LaunchNodes, TwoAgentsOfOneMachineMakeOneJob) {
  std::string endpoint = "127.0.0.1:" + std::to_string(free_port());
  Words flags{"-n", "2", "--nnodes", "2", "--rdzv", endpoint};
  Process first(launch(flags + Words{"--serve"}, {TESSERA_PLAIN_MPI}));
  Process second(launch(flags, {TESSERA_PLAIN_MPI}));
  Outcome a = first.wait();
  Outcome b = second.wait();
  EXPECT_TRUE(ended_with(a, 0));
  EXPECT_TRUE(ended_with(b, 0));
  EXPECT_NE((a.out + b.out).find("rank 3 of 4"), std::string::npos) << a.out << b.out;
}

TEST_F(LaunchNodes, AServerThatIsKilledAndComesBackIsNotNoticed) {
  const char* text = std::getenv("TESSERA_KILLS");
  int kills = text ? std::atoi(text) : 4;
  Words config{"run.steps=1000000000", "data.leaves=4", "log.every=1000000"};
  std::string endpoint = "127.0.0.1:" + std::to_string(free_port());
  Command serve =
      tessera({"rendezvous", "serve", "--listen", endpoint, "--journal", folder_ / "journal"});
  serve.timeout = seconds(600);
  auto server = std::make_unique<Process>(serve);
  Command command = launch({"-n", "2", "--rdzv", endpoint, "--nnodes", "1"},
                           train_words(folder_ / "run", config));
  command.timeout = seconds(600);
  Process agent(command);
  ASSERT_TRUE(makes_steps(folder_ / "run"));
  for (int i = 0; i < kills; ++i) {
    server->signal(SIGKILL);
    server->wait();
    // Down for a part of the 3 s that may go unnoticed: a busy machine adds to it.
    std::this_thread::sleep_for(std::chrono::milliseconds(i % 7 * 400));
    server = std::make_unique<Process>(serve);
    ASSERT_TRUE(eventually(seconds(5), [&] { return is_running(endpoint); })) << i;
    ASSERT_TRUE(makes_steps(folder_ / "run")) << i;
  }
  agent.signal(SIGTERM);
  Outcome outcome = agent.wait();
  EXPECT_TRUE(ended_with(outcome, 75));
  EXPECT_TRUE(ended_with(server->wait(), 75));
  std::string before_that = outcome.err.substr(0, outcome.err.find("stopping after"));
  EXPECT_EQ(before_that.find("generation"), std::string::npos) << outcome.err;
  std::vector<std::string> losses = losses_of("run");
  EXPECT_EQ(losses, losses_alone(config, losses.size()));
}

TEST_F(LaunchNodes, ALongOutageOfTheServerEndsTheRanksUntilItIsBack) {
  Words config{"run.steps=1000000", "data.leaves=4"};
  std::string endpoint = "127.0.0.1:" + std::to_string(free_port());
  Command serve =
      tessera({"rendezvous", "serve", "--listen", endpoint, "--journal", folder_ / "journal"});
  auto server = std::make_unique<Process>(serve);
  // It is no failure, so no restart has to be allowed.
  Process agent(launch({"-n", "2", "--rdzv", endpoint}, train_words(folder_ / "run", config)));
  ASSERT_TRUE(eventually(seconds(40), [&] { return has_step(3); }));
  server->signal(SIGKILL);
  server->wait();
  EXPECT_TRUE(eventually(seconds(8), [&] { return agent.members("RANK=1").empty(); }));
  server = std::make_unique<Process>(serve);
  EXPECT_TRUE(eventually(seconds(15), [&] { return !agent.members("RANK=1").empty(); }));
  EXPECT_TRUE(makes_steps(folder_ / "run"));
  agent.signal(SIGTERM);
  EXPECT_TRUE(ended_with(agent.wait(), 75));
}

TEST_F(LaunchNodes, NodesComeAndGoAndNoStepIsAnother) {
  Words config{"run.steps=1000000000", "data.leaves=4", "log.every=1000000"};
  std::string endpoint = "127.0.0.1:" + std::to_string(free_port());
  Process server(tessera({"rendezvous", "serve", "--listen", endpoint}));
  std::vector<std::unique_ptr<Process>> agents;
  auto add = [&] {
    Words flags{"-n", "1", "--rdzv", endpoint, "--nnodes", "1:4", "--max-restarts", "1"};
    agents.push_back(
        std::make_unique<Process>(launch(flags, train_words(folder_ / "run", config))));
  };
  auto at_work_with = [&](int size) {
    return eventually(
               seconds(20),
               [&] { return !agents[0]->members("WORLD_SIZE=" + std::to_string(size)).empty(); }) &&
           makes_steps(folder_ / "run");
  };
  add();
  ASSERT_TRUE(at_work_with(1));
  for (int i = 0; i < 3; ++i) add();
  ASSERT_TRUE(at_work_with(4));
  agents[3]->signal(SIGTERM);
  EXPECT_TRUE(ended_with(agents[3]->wait(), 75));
  ASSERT_TRUE(at_work_with(3));
  agents[2]->signal(SIGKILL);
  EXPECT_EQ(agents[2]->wait().num_left, 0u);
  ASSERT_TRUE(at_work_with(2));
  for (int i : {0, 1}) agents[i]->signal(SIGTERM);
  for (int i : {0, 1}) EXPECT_TRUE(ended_with(agents[i]->wait(), 75));
  std::vector<std::string> losses = losses_of("run");
  EXPECT_EQ(losses, losses_alone(config, losses.size()));
}

TEST_F(LaunchNetwork, TwoThreeAndFourNodesGiveTheSameDigest) {
  Words config{"data.leaves=12"};
  std::string digest = expected_digest(config);
  for (int count : {2, 3, 4}) {
    NetworkNodes nodes(count);
    auto agents = start(nodes, count, {"--nnodes", std::to_string(count)},
                        train_words(folder_ / ("run" + std::to_string(count)), config));
    for (auto& agent : agents) {
      Outcome outcome = agent->wait();
      EXPECT_TRUE(ended_with(outcome, 0)) << count;
      if (agent == agents.front()) {
        EXPECT_EQ(said(outcome, "digest"), digest) << count;
      }
    }
    std::filesystem::remove_all(folder_ / "tls");
  }
}

TEST_F(LaunchNetwork, AHostfileOrSlurmTellsWhoMeetsWhere) {
  NetworkNodes nodes(2);
  EXPECT_TRUE(succeeded(run(tessera({"rendezvous", "init", folder_ / "tls"}))));
  folder_.write("hosts", nodes.address(0) + "\n" + nodes.address(1) + "\n");
  for (bool by_slurm : {false, true}) {
    Words flags{"-n", "1", "--tls", folder_ / "tls"};
    if (!by_slurm) flags = flags + Words{"--hostfile", folder_ / "hosts"};
    std::vector<std::unique_ptr<Process>> agents;
    for (int node : {0, 1}) {
      Command command = launch(flags, {TESSERA_PLAIN_MPI});
      command.argv = nodes.on(node, command.argv);
      if (by_slurm) {
        command.env["SLURM_STEP_NODELIST"] = nodes.address(0) + "," + nodes.address(1);
        command.env["SLURM_JOB_ID"] = "77";
        command.env["SLURM_STEP_ID"] = "0";
        command.env["SLURM_STEP_NUM_NODES"] = "2";
        command.env["SLURM_NODEID"] = std::to_string(node);
      }
      agents.push_back(std::make_unique<Process>(command));
    }
    for (int node : {0, 1}) {
      Outcome outcome = agents[static_cast<size_t>(node)]->wait();
      EXPECT_TRUE(ended_with(outcome, 0)) << by_slurm;
      EXPECT_NE(outcome.out.find("rank " + std::to_string(node) + " of 2"), std::string::npos)
          << by_slurm << outcome.out;
    }
  }
}

TEST_F(LaunchNetwork, ANodeThatIsCutOffIsFencedAndTheOthersGoOn) {
  Words config{"run.steps=1000000", "data.leaves=12"};
  NetworkNodes nodes(3);
  auto agents = start(nodes, 3, {"--nnodes", "2:3", "--max-restarts", "5"},
                      train_words(folder_ / "run", config));
  ASSERT_TRUE(eventually(seconds(40), [&] { return has_step(3); }));
  nodes.set_link(2, false);
  // By its own lease, without a word from anyone.
  EXPECT_TRUE(eventually(seconds(7), [&] { return agents[2]->members("RANK=2").empty(); }));
  EXPECT_TRUE(eventually(seconds(15), [&] { return !agents[0]->members("WORLD_SIZE=2").empty(); }));
  EXPECT_TRUE(agents[2]->members("RANK=2").empty());
  nodes.set_link(2, true);
  bool came_back =
      eventually(seconds(25), [&] { return !agents[2]->members("WORLD_SIZE=3").empty(); });
  for (auto& agent : agents) agent->signal(SIGTERM);
  for (auto& agent : agents) {
    Outcome outcome = agent->wait();
    EXPECT_TRUE(came_back) << describe(outcome);
    EXPECT_FALSE(outcome.timed_out) << describe(outcome);
    EXPECT_EQ(outcome.num_left, 0u) << describe(outcome);
  }
}

}  // namespace
}  // namespace tessera::test
