#include "launcher/experiment/run.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "launcher/commands/commands.h"
#include "launcher/experiment/ranks.h"

namespace tessera {
namespace {

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

// Usage errors are the same on every rank of an MPI job; one of them speaks.
bool speaks() {
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"}) {
    if (const char* rank = std::getenv(variable)) return std::string_view(rank) == "0";
  }
  return true;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return speaks() ? app.exit(error) : 0;  // --help, --version
  if (speaks()) fmt::print(stderr, "tessera: {}\nRun with --help for more.\n", error.what());
  return kBadUsage;
}

}  // namespace

int run(int argc, char** argv, const experiment::Catalog& catalog,
        const std::vector<Command>& more) {
  CLI::App app("Distributed training with parameter sharding, the same bits at any scale",
               "tessera");
  app.set_version_flag("--version", "tessera " TESSERA_VERSION);
  app.require_subcommand(1);
  std::function<int()> action;
  std::vector<Command> all{commands::train(catalog), commands::debug(catalog),
                           commands::generate(catalog), commands::inspect()};
  all.insert(all.end(), more.begin(), more.end());
  for (const Command& command : all) command(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  try {
    return action();
  } catch (const experiment::ConfigError& error) {
    fmt::print(stderr, "tessera: {}\n", error.what());
    return experiment::ConfigError::kExitCode;
  } catch (const std::exception& error) {
    fmt::print(stderr, "tessera: {}\n", error.what());
    return kFailed;
  }
}

}  // namespace tessera
