#include <CLI/CLI.hpp>
#include <memory>

#include "core/parallel.h"
#include "launcher/commands/commands.h"
#include "launcher/experiment/ranks.h"

namespace tessera::commands {
namespace {

struct TrainOptions {
  std::string config;
  std::vector<std::string> overrides;
  bool explain = false;
};

int train_from(const TrainOptions& options, const experiment::Catalog& catalog) {
  if (options.explain) {
    fmt::print("{}", experiment::explain(catalog));
    return 0;
  }
  if (options.config.empty()) throw experiment::ConfigError("train: expected a config file");
  return experiment::train_job([&] {
    experiment::Config config =
        experiment::load_config_file(options.config, options.overrides, catalog);
    set_num_threads(
        experiment::threads_for(config.compute.threads, experiment::local_ranks_of_job()));
    return std::make_unique<experiment::Trainer>(std::move(config));
  });
}

}  // namespace

Command train(const experiment::Catalog& catalog) {
  return [&catalog](CLI::App& app, std::function<int()>& action) {
    CLI::App* command = app.add_subcommand("train", "Train a model as a config file says");
    auto options = std::make_shared<TrainOptions>();
    command->add_option("config", options->config, "The config, a YAML file")
        ->type_name("CONFIG.yaml");
    command->add_option("overrides", options->overrides, "Values that replace the file's")
        ->type_name("section.key=value");
    command->add_flag("--explain", options->explain, "Print every key of the config and end");
    command->footer("Alone, this is a run of one rank; under mpirun, each process is one.");
    command->callback([=, &action, &catalog] {
      action = [=, &catalog] { return train_from(*options, catalog); };
    });
  };
}

}  // namespace tessera::commands
