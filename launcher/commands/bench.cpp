#include "launcher/bench/bench.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "launcher/commands/commands.h"
#include "launcher/commands/number_options.h"

namespace tessera::commands {
namespace {

struct BenchCommand {
  bench::BenchOptions options;
  bool say_when_mpi_is_up = false;
};

std::string temporary_folder() {
  std::error_code none;
  std::filesystem::path folder = std::filesystem::temp_directory_path(none);
  return none ? "." : folder.string();
}

int bench_as_told(const BenchCommand& command) {
  if (command.say_when_mpi_is_up) return bench::say_when_mpi_is_up();
  return bench::run_bench(command.options);
}

}  // namespace

Command bench_command() {
  return [](CLI::App& app, std::function<int()>& action) {
    CLI::App* command =
        app.add_subcommand("bench", "Measure this build on this machine, against peers and limits");
    auto told = std::make_shared<BenchCommand>();
    bench::BenchOptions& options = told->options;
    options.settings.folder = temporary_folder();
    command
        ->add_option("names", options.names, "What to measure: a family, or a name; without, all")
        ->type_name("NAME");
    command->add_flag("--list", options.list, "Print the names, and measure nothing");
    command->add_option("--json", options.json, "Write the records there")->type_name("FILE");
    command->add_flag("--quick", options.settings.quick,
                      "Small sizes, measured once: whether it works, not how fast");
    command
        ->add_option("--repetitions", options.settings.repetitions,
                     "How often each is measured; without, as often as it takes")
        ->type_name("N")
        ->check(integer(1, 10'000));
    command
        ->add_option("--folder", options.settings.folder,
                     "Where files go while they are needed; checkpoints are measured there")
        ->type_name("DIR");
    command->add_flag("--say-when-mpi-is-up", told->say_when_mpi_is_up)->group("");
    command->footer("Under mpirun or launch it measures `comm` between the ranks of that job.");
    command->callback([=, &action] { action = [=] { return bench_as_told(*told); }; });
  };
}

}  // namespace tessera::commands
