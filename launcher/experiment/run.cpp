#include "launcher/experiment/run.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>

#include "core/parallel.h"
#include "core/printable.h"
#include "launcher/commands/commands.h"
#include "launcher/experiment/config/nearest.h"
#include "launcher/experiment/ranks.h"
#include "launcher/experiment/standard_streams.h"
#include "launcher/job/exit_codes.h"

namespace tessera {
namespace {

using experiment::finish_output;
using experiment::guard_standard_streams;
using experiment::print_error;

// Usage errors are the same on every rank of an MPI job; one of them speaks.
bool speaks() {
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"}) {
    if (const char* rank = std::getenv(variable)) return std::string_view(rank) == "0";
  }
  return true;
}

// CLI11 says only that a subcommand is missing, even where there is a word that it does not know.
std::string message_of(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (!app.get_subcommands().empty() || argc < 2) return error.what();
  if (argv[1][0] == '-') return "unknown option " + job::in_quotes(argv[1]);
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return fmt::format("unknown subcommand {}{}", job::in_quotes(argv[1]),
                     experiment::suggestion(argv[1], names, "the subcommands are"));
}

// Ends a rank whose words are wrong. A launcher ends a job at its first rank that fails, so the
// silent ones leave the one that speaks the time to do so; they are ended while they wait.
int bad_usage(std::string_view message) {
  // One without words is told by another process.
  if (message.empty()) return job::exit_codes::kBadUsage;
  if (speaks()) {
    print_error(fmt::format("tessera: {}", message));
  } else {
    std::this_thread::sleep_for(std::chrono::seconds(5));
  }
  return job::exit_codes::kBadUsage;
}

// The name that a program was started by.
std::string program_name(int argc, char** argv) {
  std::string path = argc > 0 ? argv[0] : "";
  std::string name = path.substr(path.rfind('/') + 1);
  return name.empty() ? "tessera" : name;
}

// A subcommand that the tessera command does in place of this program.
Command handed_over(const char* name, const char* description) {
  return [=](CLI::App& app, std::function<int()>&) { app.add_subcommand(name, description); };
}

// What starts other programs, or measures the library: nothing that a user's program adds to.
bool is_commands_own(std::string_view subcommand) {
  return subcommand == "launch" || subcommand == "rendezvous" || subcommand == "bench";
}

// Becomes the tessera command: an agent is a program of its own, with no user's code in it.
// One that becomes this program again would go on for ever.
int hand_over(const std::string& command, char** argv) {
  constexpr const char* kMark = "TESSERA_HANDED_OVER";
  errno = ELOOP;
  if (!std::getenv(kMark) && setenv(kMark, "1", 1) == 0) execvp(command.c_str(), argv);
  print_error(fmt::format("tessera: {}: cannot start the tessera command, which does that: {}",
                          printable(command), std::strerror(errno)));
  return job::exit_codes::kFailed;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == 0) {  // --help, --version
    return speaks() ? finish_output(app.exit(error)) : 0;
  }
  return bad_usage(message_of(app, error, argc, argv) + "\nRun with --help for more.");
}

bool is_want_of_threads(const std::exception& error) {
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system && system->code() == std::errc::resource_unavailable_try_again;
}

int run_action(const std::function<int()>& action) {
  try {
    return action();
  } catch (const experiment::ConfigError& error) {
    return bad_usage(error.what());
  } catch (const std::bad_alloc&) {
    print_error("tessera: there is no memory left (limits: ulimit -v, the control group)");
    return job::exit_codes::kFailed;
  } catch (const std::exception& error) {
    if (experiment::is_print_failure(error)) return 0;  // finish_output tells
    if (is_want_of_threads(error)) {
      print_error(
          "tessera: cannot start a thread (limits: ulimit -u, ulimit -v, the control group)");
      return job::exit_codes::kFailed;
    }
    print_error(fmt::format("tessera: {}", error.what()));
    return job::exit_codes::kFailed;
  }
}

}  // namespace

int run(int argc, char** argv, const experiment::Catalog& catalog, const std::vector<Command>& more,
        const char* command) {
  if (command && argc > 1 && is_commands_own(argv[1])) return hand_over(command, argv);
  // A write over the limit of a file's size fails with an error, as on a full disk, and the run can
  // say which file it was.
  std::signal(SIGXFSZ, SIG_IGN);
  guard_standard_streams();
  CLI::App app("Distributed training with parameter sharding, the same bits at any scale",
               program_name(argc, argv));
  app.set_version_flag("--version", "tessera " TESSERA_VERSION);
  app.require_subcommand(1);
  std::function<int()> action;
  std::vector<Command> all{commands::train(catalog),    commands::debug(catalog),
                           commands::generate(catalog), commands::inspect(),
                           commands::convert(catalog),  commands::verify(),
                           commands::plan(catalog),     commands::doctor()};
  if (command) {
    all.push_back(handed_over("launch", "Start a program on several ranks, without mpirun or ssh"));
    all.push_back(handed_over("rendezvous", "Host the place where nodes meet"));
    all.push_back(handed_over("bench", "Measure the tessera command on this machine"));
  }
  all.insert(all.end(), more.begin(), more.end());
  for (const Command& add : all) add(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error, argc, argv);
  }
  try {
    num_threads();  // reads the environment: what is wrong there is bad usage, on every rank alike
  } catch (const std::exception& error) {
    return bad_usage(error.what());
  }
  return finish_output(run_action(action));
}

}  // namespace tessera
