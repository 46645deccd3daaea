#include <CLI/CLI.hpp>
#include <memory>

#include "core/parallel.h"
#include "launcher/commands/commands.h"
#include "launcher/experiment/components/group_lines.h"
#include "launcher/experiment/ranks.h"

namespace tessera::commands {
namespace {

struct TrainOptions {
  std::string config;
  std::vector<std::string> overrides;
  bool explain = false;
};

// Which rule trains which parameters of the config's model.
void explain_run(const TrainOptions& options, const experiment::Catalog& catalog) {
  experiment::Config config =
      experiment::load_config_file(options.config, options.overrides, catalog);
  const auto& section = config.optim.as<experiment::OptimSection>();
  nn::DeferInit defer;
  auto model = config.model.as<experiment::ModelSection>().make();
  fmt::print("{}: {} parameters\n", config.model.name, model->num_parameters());
  for (const std::string& line :
       experiment::group_lines(*experiment::make_optimizer(section, *model), section.lr)) {
    fmt::print("optim: {}\n", line);
  }
}

int train_from(const TrainOptions& options, const experiment::Catalog& catalog) {
  if (options.explain && options.config.empty()) {
    fmt::print("{}", experiment::explain(catalog));
    return 0;
  }
  if (options.explain) {
    explain_run(options, catalog);
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
    command->add_flag("--explain", options->explain,
                      "Print every key of a config, or which rule trains which parameters of "
                      "this one, and end");
    command->footer("Alone, this is a run of one rank; under mpirun, each process is one.");
    command->callback([=, &action, &catalog] {
      action = [=, &catalog] { return train_from(*options, catalog); };
    });
  };
}

}  // namespace tessera::commands
