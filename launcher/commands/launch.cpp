#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <memory>

#include "launcher/agent/agent_signals.h"
#include "launcher/agent/launch_plan.h"
#include "launcher/agent/resources.h"
#include "launcher/agent/tokens.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/credential_flags.h"
#include "launcher/commands/number_options.h"
#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/standard_streams.h"
#include "launcher/rendezvous/server.h"
#include "launcher/status/status_text.h"

namespace tessera::commands {
namespace {

// After the job's end, for agents that have not heard of it yet.
constexpr rendezvous::Millis kLingerMs = 5000;

struct LaunchOptions {
  agent::LaunchFlags flags;
  bool no_bind = false;
  bool dry_run = false;
  std::string status;
};

int run_agent(agent::LaunchPlan plan) {
  agent::require_resources(plan.agent.node.slots());
  // Before gRPC starts threads.
  agent::block_agent_signals();
  std::unique_ptr<rendezvous::Server> server;
  auto agent = std::make_unique<agent::Agent>(plan.agent);
  if (plan.serves) {
    server = std::make_unique<rendezvous::Server>(
        rendezvous::ServerOptions{.host = plan.server.host,
                                  .port = plan.server.port,
                                  .credentials = plan.credentials,
                                  .journal = plan.journal,
                                  .settings = {}});
    plan.server.port = server->port();
    if (plan.own_token) agent->keep_token(plan.server.port, plan.credentials.token);
    experiment::print_error("tessera launch: rendezvous at " + rendezvous::text_of(plan.server));
    if (plan.credentials.token.empty()) {
      experiment::print_error(
          "tessera launch: without a token (--token-file) any user of this machine may join there");
    }
  }
  int code = agent->run(plan.server, plan.credentials);
  agent.reset();
  if (server) server->wait_for_end(kLingerMs);
  return code;
}

int launch_as_told(LaunchOptions options) {
  if (!options.status.empty()) {
    rendezvous::Endpoint server = rendezvous::parse_endpoint(options.status);
    agent::require_resources(0);
    auto credentials = rendezvous::load_credentials(options.flags.credentials);
    if (credentials.token.empty() && rendezvous::is_loopback(server.host)) {
      credentials.token = agent::find_token(server.port);
    }
    fmt::print("{}", status::fetch_status_text(server, credentials));
    return 0;
  }
  options.flags.bind = !options.no_bind;
  agent::LaunchPlan plan;
  try {
    plan = agent::make_launch_plan(options.flags);
  } catch (const Error& error) {
    throw experiment::ConfigError(error.what());
  }
  if (options.dry_run) {
    fmt::print("{}", agent::describe(plan));
    return 0;
  }
  if (!plan.agent.log_folder.empty()) {
    std::filesystem::create_directories(plan.agent.log_folder);
  }
  return run_agent(std::move(plan));
}

void add_options(CLI::App& command, LaunchOptions& options) {
  agent::LaunchFlags& flags = options.flags;
  command.add_option("-n", flags.num_ranks, "Ranks on this node")
      ->type_name("N")
      ->check(integer(1, 4096));
  command.add_option("--nnodes", flags.nodes, "Nodes of the job; with MAX they may come and go")
      ->type_name("MIN[:MAX]");
  command.add_option("--rdzv", flags.rendezvous, "Where the nodes meet")->type_name("HOST:PORT");
  command.add_flag("--serve", flags.serves, "This node hosts the rendezvous");
  command.add_option("--journal", flags.journal, "With --serve: where a restarted server goes on")
      ->type_name("FILE");
  command.add_option("--max-restarts", flags.max_restarts, "Failures that do not end the job")
      ->type_name("K")
      ->check(integer(0, 1'000'000));
  command.add_option("--node-rank", flags.node_rank, "This node's place among the nodes")
      ->type_name("K")
      ->check(integer(0, 99'999));
  command.add_option("--hostfile", flags.hostfile, "The nodes, a line each; the first hosts")
      ->type_name("FILE");
  command.add_option("--address", flags.address, "Where other nodes reach this one")
      ->type_name("ADDRESS");
  command.add_option("--log-dir", flags.log_folder, "Keep each rank's output in files there")
      ->type_name("DIR");
  command
      .add_option("--hang-timeout", flags.hang_s,
                  "Without progress for so long (and 5 steps) a rank hangs; 0: never")
      ->type_name("SECONDS")
      ->check(number(0, 1e6));
  command.add_flag("--no-bind", options.no_bind, "Do not give ranks cores of their own");
  command.add_flag("--dry-run", options.dry_run, "Print what would run, and end");
  command.add_option("--status", options.status, "Print the state of the job that meets there")
      ->type_name("HOST:PORT");
  add_credential_flags(command, flags.credentials);
  command.add_option("program", flags.program, "What every rank runs, after --")
      ->type_name("PROGRAM ARGS");
}

}  // namespace

Command launch() {
  return [](CLI::App& app, std::function<int()>& action) {
    CLI::App* command =
        app.add_subcommand("launch", "Start a program on several ranks, without mpirun or ssh");
    auto options = std::make_shared<LaunchOptions>();
    add_options(*command, *options);
    command->footer("Several nodes: the same command on each, with --rdzv, and --serve on one.");
    command->callback([=, &action] { action = [=] { return launch_as_told(*options); }; });
  };
}

}  // namespace tessera::commands
