// `tessera launch` on several nodes: agents that meet at a rendezvous, on this machine's loopback
// and in network namespaces.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/integration/launch_command.h"
#include "tests/support/free_port.h"
#include "tests/support/network_nodes.h"

namespace tessera::test {
namespace {

using std::chrono::seconds;

class LaunchNodes : public testing::Test {
 protected:
  bool has_step(size_t step, const std::string& run = "run") const {
    std::string path = run + "/metrics.jsonl";
    return std::filesystem::exists(folder_ / path) &&
           folder_.read(path).find("\"step\":" + std::to_string(step) + ",") != std::string::npos;
  }
  // What training alone ends with.
  std::string expected_digest(const Words& config) {
    Words words{"train", kQuickstart, "run.dir=" + (folder_ / "alone")};
    return printed(run(tessera(words + kTinyModel + config)), "digest");
  }

  // Whether the server has heard of all its agents and found their ranks at work.
  static bool is_running(const std::string& endpoint) {
    return run(tessera({"launch", "--status", endpoint})).out.find(": running,") !=
           std::string::npos;
  }
  // Of every step of a run, in the metrics' own words.
  std::vector<std::string> losses_of(const std::string& run) const {
    std::vector<std::string> losses;
    for (const std::string& line : lines_of(folder_.read(run + "/metrics.jsonl"))) {
      auto record = nlohmann::json::parse(line, nullptr, false);
      if (!record.contains("loss") || record.contains("final")) continue;
      losses.push_back(record["step"].dump() + " " + record["loss"].dump());
    }
    return losses;
  }
  // Of so many steps of training alone.
  std::vector<std::string> losses_alone(const Words& config, size_t count) {
    Words words{"train", kQuickstart, "run.dir=" + (folder_ / "alone")};
    Command command = tessera(words + kTinyModel + config);
    command.timeout = seconds(600);
    Process process(command);
    for (int i = 0; i < 1000 && !has_step(count, "alone"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    process.signal(SIGTERM);
    EXPECT_TRUE(ended_with(process.wait(), 75));
    std::vector<std::string> losses = losses_of("alone");
    losses.resize(std::min(losses.size(), count));
    return losses;
  }

  TempDir folder_;
};

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

// In namespaces: as on machines of their own, but for the file system.
class LaunchNetwork : public LaunchNodes {
 protected:
  void SetUp() override {
    std::string trouble = NetworkNodes::trouble();
    if (!trouble.empty()) GTEST_SKIP() << trouble;
  }

  // One agent a node, the first of which hosts the rendezvous, with mutual TLS.
  std::vector<std::unique_ptr<Process>> start(const NetworkNodes& nodes, int count,
                                              const Words& flags, const Words& program) {
    EXPECT_TRUE(succeeded(run(tessera({"rendezvous", "init", folder_ / "tls"}))));
    std::vector<std::unique_ptr<Process>> agents;
    for (int node = 0; node < count; ++node) {
      Words own = flags + Words{"-n",          "1",
                                "--rdzv",      nodes.address(0) + ":29400",
                                "--tls",       folder_ / "tls",
                                "--node-rank", std::to_string(node)};
      if (node == 0) own.emplace_back("--serve");
      Command command = launch(own, program);
      command.argv = nodes.on(node, command.argv);
      agents.push_back(std::make_unique<Process>(command));
    }
    return agents;
  }
};

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
        command.env["SLURM_JOB_NODELIST"] = nodes.address(0) + "," + nodes.address(1);
        command.env["SLURM_JOB_ID"] = "77";
        command.env["SLURM_NNODES"] = "2";
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
