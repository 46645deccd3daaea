#include "launcher/rendezvous/server.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>

#include "core/printable.h"
#include "launcher/agent/resources.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/credential_flags.h"
#include "launcher/commands/number_options.h"
#include "launcher/rendezvous/authority.h"
#include "launcher/rendezvous/channel.h"

namespace tessera::commands {
namespace {

struct InitOptions {
  std::string folder;
  rendezvous::AuthorityOptions authority;
};

int make_certificates(const InitOptions& options) {
  rendezvous::make_authority(options.folder, options.authority);
  fmt::print(
      "made {0}/ca.crt, ca.key, node.crt, node.key and token, valid for {1} days\n"
      "Every node needs {0} without ca.key, and --tls {0}.\n",
      options.folder, options.authority.days);
  return 0;
}

struct ServeOptions {
  std::string listen = "127.0.0.1:0";
  std::string journal;
  rendezvous::CredentialFiles credentials;
};

// SIGINT or SIGTERM, or 0 after wait_ms.
int wait_for_signal(int wait_ms) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  timespec time{wait_ms / 1000, long{wait_ms % 1000} * 1'000'000};
  return std::max(0, sigtimedwait(&set, nullptr, &time));
}

int serve(const ServeOptions& options) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  rendezvous::Endpoint endpoint = rendezvous::parse_endpoint(options.listen);
  agent::require_resources(0);
  rendezvous::Server server({.host = endpoint.host,
                             .port = endpoint.port,
                             .credentials = rendezvous::load_credentials(options.credentials),
                             .journal = options.journal,
                             .settings = {}});
  endpoint.port = server.port();
  fmt::print("rendezvous at {}\n", rendezvous::text_of(endpoint));
  if (options.journal.empty()) {
    fmt::print("without --journal, a restart of this server ends the job\n");
  }
  // Without its address the server is of no use.
  if (std::fflush(stdout) != 0) return 0;
  while (true) {
    if (int signal = wait_for_signal(100)) return 128 + signal;
    if (!server.wait_for_end(0)) continue;
    if (std::string failure = server.failure(); !failure.empty()) throw Error(failure);
    fmt::print("the job ends: {}\n", printable(server.finish().reason()));
    return server.finish().exit_code();
  }
}

}  // namespace

Command rendezvous_command() {
  return [](CLI::App& app, std::function<int()>& action) {
    CLI::App* command = app.add_subcommand("rendezvous", "Host the place where nodes meet");
    command->require_subcommand(1);
    CLI::App* init = command->add_subcommand("init", "Make a job's certificates and token");
    auto init_options = std::make_shared<InitOptions>();
    init->add_option("folder", init_options->folder, "A folder that is empty or not there yet")
        ->type_name("DIR")
        ->required();
    init->add_option("--days", init_options->authority.days, "How long they are valid")
        ->check(integer(1, 3650));
    init->callback([=, &action] { action = [=] { return make_certificates(*init_options); }; });

    CLI::App* server = command->add_subcommand("serve", "Serve one job, until it is over");
    auto options = std::make_shared<ServeOptions>();
    server->add_option("--listen", options->listen, "Where; port 0: a free one, which is printed")
        ->type_name("HOST:PORT");
    server->add_option("--journal", options->journal, "Where a restarted server goes on from")
        ->type_name("FILE");
    add_credential_flags(*server, options->credentials);
    server->callback([=, &action] { action = [=] { return serve(*options); }; });
  };
}

}  // namespace tessera::commands
