// What a run would take, found by going through its step without computing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/experiment/components/components.h"

namespace tessera::experiment {

struct PlanOptions {
  int ranks = 1;
  int ranks_per_node = 0;  // what hybrid shares a model among; 0: all ranks
};

// Of one strategy: bytes of the rank that has the most leaves.
struct StrategyPlan {
  std::string strategy;
  std::string refusal;     // why the strategy cannot be; empty where it can
  int64_t parameters = 0;  // kept all the time: a share, where blocks are gathered
  int64_t gradients = 0;   // that the update needs
  int64_t optimizer = 0;   // its state, and f32 masters
  // At the peak: saved for backward, data, buffers on their way, and where checkpoint.every is set
  // the copy that is being written.
  int64_t activations = 0;
  int64_t peak = 0;           // of the allocator: the sum of these
  int64_t traffic = 0;        // that the rank sends in a step
  double flops = 0;           // of its matrix products, convolutions and attention in a step
  size_t collectives = 0;     // of a rank in a step
  int ranks_checked = 0;      // whose schedules were compared
  std::string left_out = {};  // why the optimizer's update is not in the peak; empty where it is
};

struct Plan {
  int64_t num_parameters = 0;
  int64_t leaves_of_rank = 0;  // the most
  std::vector<StrategyPlan> strategies;
};

// Hears what a plan is at, now and then.
using PlanProgress = std::function<void(const std::string& text)>;

// Runs two steps of every strategy on the device meta with one rank that stands for all, then goes
// through the schedule of other ranks: of all, or of some and every kind where there are more
// than 64, fewer the longer their schedules are. An Error where two ranks would not issue the same
// collectives in the same order. ConfigError as in training.
Plan make_plan(const Config& config, const PlanOptions& options, const PlanProgress& progress = {});

// The first of the strategies with the least traffic whose peak is at most `bytes`; null if none.
const StrategyPlan* choose(const Plan& plan, int64_t bytes);

}  // namespace tessera::experiment
