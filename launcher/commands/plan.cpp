#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "core/parallel.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/number_options.h"
#include "launcher/experiment/plan.h"
#include "launcher/experiment/ranks.h"

namespace tessera::commands {
namespace {

struct PlanOptions {
  std::string config;
  std::vector<std::string> overrides;
  int ranks = 1;
  int ranks_per_node = 0;
  double memory_gib = 0;
};

std::string in_bytes(int64_t bytes) {
  auto value = static_cast<double>(bytes);
  for (const char* unit : {"B", "KiB", "MiB"}) {
    if (value < 1024) return fmt::format("{:.4g} {}", value, unit);
    value /= 1024;
  }
  return fmt::format("{:.2f} GiB", value);
}

// What each of a node's ranks can have of this machine's memory.
int64_t memory_of_this_machine(int ranks) {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / ranks;
}

void print_row(const std::array<std::string, 8>& cells) {
  fmt::print("{:<8}  {:>11}  {:>11}  {:>11}  {:>11}  {:>11}  {:>11}  {}\n", cells[0], cells[1],
             cells[2], cells[3], cells[4], cells[5], cells[6], cells[7]);
}

void print_plan(const experiment::Plan& plan, int64_t memory) {
  print_row({"", "parameters", "gradients", "optimizer", "activations", "peak", "sent a step",
             fmt::format("fits in {}", in_bytes(memory))});
  for (const experiment::StrategyPlan& one : plan.strategies) {
    if (!one.refusal.empty()) {
      fmt::print("{:<8}  {}\n", one.strategy, one.refusal);
      continue;
    }
    print_row({one.strategy, in_bytes(one.parameters), in_bytes(one.gradients),
               in_bytes(one.optimizer), in_bytes(one.activations), in_bytes(one.peak),
               in_bytes(one.traffic), one.peak <= memory ? "yes" : "no"});
  }
  for (const experiment::StrategyPlan& one : plan.strategies) {
    if (!one.refusal.empty()) continue;
    fmt::print("{}: {} collectives a step and {:.3g} GFLOP a rank, the same schedule on {} ranks\n",
               one.strategy, one.collectives, one.flops / 1e9, one.ranks_checked);
    if (one.left_out.empty()) continue;
    fmt::print("{}: without what the optimizer's update takes, which reads numbers: {}\n",
               one.strategy, one.left_out);
  }
}

// A line on standard error every ten seconds, once it has become a matter of waiting.
experiment::PlanProgress progress_lines() {
  using Clock = std::chrono::steady_clock;
  auto last = std::make_shared<Clock::time_point>(Clock::now());
  return [last](const std::string& text) {
    if (Clock::now() - *last < std::chrono::seconds(10)) return;
    *last = Clock::now();
    fmt::print(stderr, "plan: {}\n", text);
  };
}

// Lists that have an array for every one of many ranks are made and dropped all the time: without
// this, pages go back to the system and come again, zeroed, each time.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that there may be
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

int plan_run(const PlanOptions& options, const experiment::Catalog& catalog) {
  keep_freed_memory();
  experiment::Config config =
      experiment::load_config_file(options.config, options.overrides, catalog);
  if (options.ranks_per_node > 0 && options.ranks % options.ranks_per_node != 0) {
    throw experiment::ConfigError(
        fmt::format("--ranks-per-node: {} ranks do not divide into nodes of {}", options.ranks,
                    options.ranks_per_node));
  }
  int per_node = options.ranks_per_node > 0 ? options.ranks_per_node : options.ranks;
  // Some memory is each thread's.
  set_num_threads(experiment::threads_for(config.compute.threads, per_node));
  experiment::Plan plan =
      experiment::make_plan(config, {options.ranks, options.ranks_per_node}, progress_lines());
  int64_t memory = options.memory_gib > 0 ? static_cast<int64_t>(options.memory_gib * (1 << 30))
                                          : memory_of_this_machine(per_node);
  fmt::print("{}: {} parameters, {} ranks, {} {} of {} samples a rank and step\n", config.run.name,
             plan.num_parameters, options.ranks, plan.leaves_of_rank,
             plan.leaves_of_rank == 1 ? "leaf" : "leaves",
             config.data.as<experiment::DataSection>().micro_batch);
  print_plan(plan, memory);
  const experiment::StrategyPlan* best = experiment::choose(plan, memory);
  if (!best && options.memory_gib > 0) {
    throw_error(fmt::format("no strategy fits in {} a rank", in_bytes(memory)));
  }
  if (!best) {
    fmt::print(
        "choice: none fits in this machine's share of {} a rank; --memory says what a rank "
        "really has\n",
        in_bytes(memory));
    return 0;
  }
  fmt::print("choice: {}, which sends least of those that fit\n", best->strategy);
  return 0;
}

}  // namespace

Command plan(const experiment::Catalog& catalog) {
  return [&catalog](CLI::App& app, std::function<int()>& action) {
    CLI::App* command = app.add_subcommand(
        "plan", "Say what memory and traffic each strategy would take, without running");
    auto options = std::make_shared<PlanOptions>();
    command->add_option("config", options->config, "The config, a YAML file")
        ->type_name("CONFIG.yaml")
        ->required();
    command->add_option("overrides", options->overrides, "Values that replace the file's")
        ->type_name("section.key=value");
    command->add_option("--ranks", options->ranks, "Number of ranks")
        ->type_name("N")
        ->check(integer(1, 65536))
        ->required();
    command->add_option("--ranks-per-node", options->ranks_per_node, "Ranks of one node")
        ->type_name("M")
        ->check(integer(1, 65536));
    command
        ->add_option("--memory", options->memory_gib,
                     "Memory of a rank in GiB; without it, a share of this machine's")
        ->type_name("GiB")
        ->check(number(0.001, 1e6));
    command->callback(
        [=, &action, &catalog] { action = [=, &catalog] { return plan_run(*options, catalog); }; });
  };
}

}  // namespace tessera::commands
