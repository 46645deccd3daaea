// Jobs on several nodes under test: agents on this machine's loopback and in network namespaces.
#pragma once

#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/launch_command.h"
#include "tests/support/network_nodes.h"

namespace tessera::test {

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

}  // namespace tessera::test
