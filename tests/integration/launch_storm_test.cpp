// All faults that `tessera launch` is made for, at random moments and on top of one another.
// TESSERA_FAULTS sets how many, TESSERA_SEED which.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <thread>

#include "tests/integration/launch_nodes.h"

namespace tessera::test {
namespace {

using std::chrono::milliseconds;

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class LaunchStorm : public LaunchNetwork {
 protected:
  static constexpr int kNodes = 3;

  Words tls() const { return {"--tls", folder_ / "tls"}; }
  std::string endpoint() const { return nodes_->address(0) + ":29400"; }
  void start_server() {
    Command command = tessera(
        Words{"rendezvous", "serve", "--listen", endpoint(), "--journal", folder_ / "journal"} +
        tls());
    command.argv = nodes_->on(0, command.argv);
    command.timeout = timeout_;
    server_ = std::make_unique<Process>(command);
  }
  void start_agent(int node) {
    Words flags{"-n", "1", "--rdzv", endpoint(), "--nnodes", "1:3", "--max-restarts", "1000000"};
    Command command = launch(flags + tls(), program_);
    command.argv = nodes_->on(node, command.argv);
    command.timeout = timeout_;
    agents_[static_cast<size_t>(node)] = std::make_unique<Process>(command);
  }
  Process& agent(int node) { return *agents_[static_cast<size_t>(node)]; }

  milliseconds up_to(int64_t most) {
    return milliseconds(random_() % static_cast<uint64_t>(most + 1));
  }
  void pause(milliseconds time) { std::this_thread::sleep_for(time); }

  // --- faults; each says what it was

  std::string kill_rank(int node) {
    for (pid_t rank : agent(node).members("LOCAL_RANK=0")) kill(rank, SIGKILL);
    return "rank killed";
  }
  std::string stop_rank(int node) {
    for (pid_t rank : agent(node).members("LOCAL_RANK=0")) kill(rank, SIGSTOP);
    return "rank stopped";
  }
  std::string kill_agent(int node) {
    agent(node).signal(SIGKILL);
    EXPECT_EQ(agent(node).wait().num_left, 0u);
    pause(up_to(3000));
    start_agent(node);
    return "agent killed";
  }
  std::string stop_agent(int node) {
    agent(node).signal(SIGSTOP);
    pause(up_to(7000));
    agent(node).signal(SIGCONT);
    return "agent stopped";
  }
  std::string let_agent_leave(int node) {
    agent(node).signal(SIGTERM);
    Outcome outcome = agent(node).wait();
    // 143: it was not a member at that moment.
    EXPECT_TRUE(outcome.exit_code == 75 || outcome.exit_code == 143) << describe(outcome);
    EXPECT_EQ(outcome.num_left, 0u);
    start_agent(node);
    return "agent left";
  }
  std::string cut(int node) {
    nodes_->set_link(node, false);
    pause(up_to(7000));
    nodes_->set_link(node, true);
    return "link down";
  }
  std::string kill_server() {
    server_->signal(SIGKILL);
    server_->wait();
    pause(up_to(random_() % 2 ? 2000 : 7000));
    start_server();
    return "server killed";
  }
  std::string fault() {
    int node = static_cast<int>(random_() % kNodes);
    switch (random_() % 8) {
      case 0:
      case 1: return kill_rank(node);
      case 2: return kill_agent(node);
      case 3: return stop_agent(node);
      case 4: return let_agent_leave(node);
      case 5: return cut(node);
      case 6: return kill_server();
      default: return stop_rank(node);
    }
  }

  // Whether all nodes come to have ranks of a job of three, which make steps. A stopped one takes
  // 10 s to be noticed.
  bool all_work() {
    std::string path = folder_ / "run/metrics.jsonl";
    uintmax_t least = std::numeric_limits<uintmax_t>::max();
    return eventually(seconds(60), [&] {
      for (int node = 0; node < kNodes; ++node) {
        if (agent(node).members("WORLD_SIZE=3").empty()) return false;
      }
      // A generation that goes on from an earlier step cuts it.
      std::error_code none_yet;
      uintmax_t size = std::filesystem::file_size(path, none_yet);
      if (none_yet) return false;
      least = std::min(least, size);
      return size > least + 1000;
    });
  }

  const uint64_t num_faults_ = number_from("TESSERA_FAULTS", 6);
  // A fault takes 5 s; a job that stands still must not outlive its test.
  const seconds timeout_{120 + 15 * num_faults_};
  const Words config_{"run.steps=1000000000", "data.leaves=6", "log.every=1000000"};
  const Words program_ = train_words(folder_ / "run", config_);
  std::mt19937_64 random_{number_from("TESSERA_SEED", 1)};
  std::unique_ptr<NetworkNodes> nodes_;
  std::unique_ptr<Process> server_;
  std::vector<std::unique_ptr<Process>> agents_{kNodes};
};

TEST_F(LaunchStorm, NoStepIsAnother) {
  nodes_ = std::make_unique<NetworkNodes>(kNodes);
  ASSERT_TRUE(succeeded(run(tessera({"rendezvous", "init", folder_ / "tls"}))));
  start_server();
  for (int node = 0; node < kNodes; ++node) start_agent(node);
  for (uint64_t i = 0; i < num_faults_; ++i) {
    // Most come before the last one is overcome.
    if (random_() % 4 == 0 && !all_work()) break;
    pause(up_to(3000));
    std::string what = fault();
    std::printf("%s\n", what.c_str());
    std::fflush(stdout);
  }
  EXPECT_TRUE(all_work());
  for (auto& agent : agents_) agent->signal(SIGTERM);
  for (auto& agent : agents_) {
    Outcome outcome = agent->wait();
    EXPECT_TRUE(ended_with(outcome, 75));
    if (HasFailure()) std::printf("--- agent\n%s\n", outcome.err.c_str());
  }
  Outcome outcome = server_->wait();
  EXPECT_TRUE(ended_with(outcome, 75));
  if (HasFailure()) std::printf("--- server\n%s%s\n", outcome.out.c_str(), outcome.err.c_str());
  std::vector<std::string> losses = losses_of("run");
  std::printf("%zu steps\n", losses.size());
  EXPECT_EQ(losses, losses_alone(config_, losses.size()));
}

}  // namespace
}  // namespace tessera::test
