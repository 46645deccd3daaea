#include <CLI/CLI.hpp>
#include <memory>

#include "core/parallel.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/number_options.h"
#include "launcher/experiment/ranks.h"

namespace tessera::commands {
namespace {

struct DebugOptions {
  int ranks = 1;
  std::string config;
  std::vector<std::string> overrides;
};

int debug_run(const DebugOptions& options, const experiment::Catalog& catalog) {
  return experiment::train_threads(options.ranks, [&] {
    experiment::Config config =
        experiment::load_config_file(options.config, options.overrides, catalog);
    // One thread for each rank unless told otherwise: a debugger shows one stack a rank.
    set_num_threads(static_cast<int>(config.compute.threads.value.value_or(1)));
    return std::make_unique<experiment::Trainer>(std::move(config));
  });
}

}  // namespace

Command debug(const experiment::Catalog& catalog) {
  return [&catalog](CLI::App& app, std::function<int()>& action) {
    CLI::App* command =
        app.add_subcommand("debug", "Train with all ranks as threads of one process");
    auto options = std::make_shared<DebugOptions>();
    command->add_option("-n", options->ranks, "Number of ranks")
        ->type_name("N")
        ->check(integer(1, 1024))
        ->required();
    command->add_option("config", options->config, "The config, a YAML file")
        ->type_name("CONFIG.yaml")
        ->required();
    command->add_option("overrides", options->overrides, "Values that replace the file's")
        ->type_name("section.key=value");
    command->callback([=, &action, &catalog] {
      action = [=, &catalog] { return debug_run(*options, catalog); };
    });
  };
}

}  // namespace tessera::commands
