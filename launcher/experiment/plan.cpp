#include "launcher/experiment/plan.h"

#include <algorithm>
#include <set>

#include "autograd/context.h"
#include "core/meta/meta.h"
#include "distributed/comm/fake_communicator.h"
#include "launcher/experiment/step_options.h"

namespace tessera::experiment {
namespace {

constexpr Device kMeta{DeviceType::meta};
constexpr int kCheckAll = 64;
constexpr int kCheckSome = 16;
// Of what all schedules of a strategy name for every rank: some seconds' worth.
constexpr double kMostShares = 2e7;

// A call, and which ranks make it together (FakeCommunicator::groups).
struct GroupCall {
  Call call;
  uint64_t group = 0;
};

// One rank's run up to its steps, on meta.
class DryRun {
 public:
  DryRun(const Config& config, const StepOptions& options, const MeshShape& shape, int rank,
         int ranks)
      : comm_(rank, ranks, kMeta), mesh_(comm_, shape, &comm_), dtype_(config.compute.dtype) {
    manual_seed(options.seed);
    {
      nn::DeferInit defer;
      model_ = config.model.as<ModelSection>().make();
    }
    for (const auto& [name, buffer] : model_->named_buffers()) {
      buffer.set_data(buffer.data().to(kMeta));
    }
    optimizer_ = make_optimizer(config.optim.as<OptimSection>(), *model_);
    step_.emplace(*model_, *optimizer_, mesh_, options);
  }

  void run(const data::Batch& batch) {
    calls_before_ = comm_.calls().size();
    sent_before_ = comm_.sent_bytes();
    data::Batch cast = data::with_images_of(batch, dtype_);
    step_->run(1, [&](Leaf) { return model_->loss(cast, nn::kNowhere); });
  }
  void run_idle() {
    calls_before_ = comm_.calls().size();
    step_->run_idle(1);
  }

  const TrainStep& step() const { return *step_; }
  std::string update_left_out() const {
    for (const optim::ParamGroup& group : optimizer_->groups()) {
      const optim::ClosureRule* rule = optim::closure_rule_of(group.rule);
      if (!rule) continue;
      return fmt::format("it evaluates the loss up to {} times in a step, and this is one of them",
                         rule->most_evaluations());
    }
    return step_->update_left_out();
  }
  int64_t num_parameters() const { return model_->num_parameters(); }
  // Of the last step.
  int64_t sent_bytes() const { return comm_.sent_bytes() - sent_before_; }
  std::vector<GroupCall> calls() const {
    std::vector<GroupCall> calls;
    for (size_t i = calls_before_; i < comm_.calls().size(); ++i) {
      calls.push_back({comm_.calls()[i], comm_.groups()[i]});
    }
    return calls;
  }

 private:
  FakeCommunicator comm_;  // which takes the host's arrays too, and counts all
  Mesh mesh_;
  DType dtype_;
  std::unique_ptr<nn::Model> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::optional<TrainStep> step_;
  size_t calls_before_ = 0;
  int64_t sent_before_ = 0;
};

int64_t num_leaves(const StepOptions& options, int rank, int ranks, int group) {
  return static_cast<int64_t>(leaves_of_rank(options.leaves, rank, ranks, group).size());
}

// Ranks of one round are those of ShardGrid::shards().
int group_of(const StepOptions& options, const MeshShape& shape, int ranks) {
  switch (options.strategy) {
    case Strategy::ddp:
    case Strategy::zero1: return 1;
    case Strategy::zero2:
    case Strategy::zero3: return ranks;
    case Strategy::hybrid: break;
  }
  return shape.group;
}

// The ranks to compare: every one, or the first with each number of leaves and some evenly, as many
// as the number of collectives allows, each of which has a share for every rank.
std::set<int> ranks_to_check(const StepOptions& options, const MeshShape& shape, int ranks,
                             size_t collectives) {
  double shares = static_cast<double>(ranks) * static_cast<double>(collectives + 1);
  int some = std::clamp(static_cast<int>(std::min(kMostShares / shares, 1e6)), 1, kCheckSome);
  int group = group_of(options, shape, ranks);
  std::set<int> out;
  std::set<int64_t> kinds;
  for (int rank = 0; rank < ranks; ++rank) {
    bool is_new = kinds.insert(num_leaves(options, rank, ranks, group)).second;
    bool chosen =
        (ranks <= kCheckAll && some == kCheckSome) || rank % ((ranks + some - 1) / some) == 0;
    if (is_new || chosen || rank + 1 == ranks) out.insert(rank);
  }
  return out;
}

// Whether two ranks may call so. Of different groups, each has sizes of its own.
bool fit(const GroupCall& a, const GroupCall& b) {
  bool alike = a.call.op == b.call.op && a.call.dtype == b.call.dtype &&
               a.call.kind == b.call.kind && a.call.root == b.call.root;
  return alike && (a.group != b.group || a.call.sizes_hash == b.call.sizes_hash);
}

// What the ranks of a plan call, one after the other.
class Schedules {
 public:
  Schedules(std::string strategy, int rank, std::vector<GroupCall> calls)
      : strategy_(std::move(strategy)), first_(rank) {
    for (GroupCall& call : calls) known_.push_back({{rank, std::move(call)}});
  }

  size_t size() const { return known_.size(); }
  // An Error where it does not fit what the ranks before it call.
  void add(int rank, const std::vector<GroupCall>& calls) {
    for (size_t i = 0; i < std::max(calls.size(), known_.size()); ++i) {
      if (i >= calls.size()) refuse(i, known_[i][0], rank, "nothing more");
      if (i >= known_.size()) refuse(i, {first_, {}}, rank, describe(calls[i].call));
      bool is_new = true;
      for (const Known& known : known_[i]) {
        if (!fit(known.call, calls[i])) refuse(i, known, rank, describe(calls[i].call));
        is_new = is_new && known.call.group != calls[i].group;
      }
      if (is_new) known_[i].push_back({rank, calls[i]});
    }
  }

 private:
  struct Known {
    int rank;
    GroupCall call;
  };
  [[noreturn]] void refuse(size_t i, const Known& known, int rank, const std::string& other) const {
    throw_error(
        fmt::format("{}: the schedules of ranks differ: collective {} of a step is {} on "
                    "rank {} and {} on rank {}",
                    strategy_, i, i < known_.size() ? describe(known.call.call) : "nothing more",
                    known.rank, other, rank));
  }

  std::string strategy_;
  int first_;
  std::vector<std::vector<Known>> known_;  // of each collective, that of every group
};

// Each rank goes through its collectives without computing, as one with nothing to do does.
void check_schedules(const Config& config, const StepOptions& options, const MeshShape& shape,
                     int ranks, Schedules schedules, const PlanProgress& progress,
                     StrategyPlan& plan) {
  std::set<int> chosen = ranks_to_check(options, shape, ranks, schedules.size());
  for (int rank : chosen) {
    progress(fmt::format("{}: the schedule of rank {}, {} of {}", plan.strategy, rank,
                         plan.ranks_checked + 1, chosen.size()));
    DryRun run(config, options, shape, rank, ranks);
    run.run_idle();
    schedules.add(rank, run.calls());
    ++plan.ranks_checked;
  }
}

void count_state(const TrainStep& step, StrategyPlan& plan) {
  auto bytes = [](const Array& array) { return static_cast<int64_t>(array.nbytes()); };
  bool whole_gradients =
      step.grid().strategy() == Strategy::ddp || step.grid().strategy() == Strategy::zero1;
  for (const Bucket& bucket : step.buckets()) {
    plan.parameters += bytes(bucket.sharded ? bucket.own_params : bucket.params);
    if (!bucket.trained) continue;
    auto item = static_cast<int64_t>(item_size(bucket.sum_dtype()));
    plan.gradients += item * (whole_gradients ? bucket.numel : bucket.own.size());
    if (bucket.master.dtype() != bucket.params.dtype()) plan.optimizer += bytes(bucket.master);
    for (const Array& state : bucket.state) plan.optimizer += bytes(state);
  }
}

// Of what a rank writes to a checkpoint, which is copied first; the copy's memory stays.
int64_t copy_bytes(const TrainStep& step) {
  int64_t bytes = 0;
  for (const Piece& piece : pieces_to_write(step.held())) {
    bytes += static_cast<int64_t>(piece.data.nbytes());
  }
  return bytes;
}

StrategyPlan plan_strategy(const Config& config, const StepOptions& options, const MeshShape& shape,
                           int ranks, const DataSection::Example& example,
                           const PlanProgress& progress) {
  StrategyPlan plan;
  plan.strategy = name(options.strategy);
  progress(plan.strategy + ": the model and its first step");
  int busiest = 0;
  int group = group_of(options, shape, ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    bool more =
        num_leaves(options, rank, ranks, group) > num_leaves(options, busiest, ranks, group);
    if (more) busiest = rank;
  }
  int64_t before = meta::stats().current_bytes;
  meta::reset();
  std::vector<GroupCall> calls;
  {
    DryRun run(config, options, shape, busiest, ranks);
    run.run(example.batch);
    meta::Stats first = meta::stats();
    progress(plan.strategy + ": its second step");
    run.run(example.batch);
    plan.flops = meta::stats().flops - first.flops;
    plan.traffic = run.sent_bytes();
    plan.peak = meta::stats().peak_bytes - before + example.data_bytes;
    if (config.checkpoint.every > 0) plan.peak += copy_bytes(run.step());
    count_state(run.step(), plan);
    plan.activations = plan.peak - plan.parameters - plan.gradients - plan.optimizer;
    calls = run.calls();
    plan.collectives = calls.size();
    plan.left_out = run.update_left_out();
  }
  check_schedules(config, options, shape, ranks, {plan.strategy, busiest, std::move(calls)},
                  progress, plan);
  return plan;
}

}  // namespace

Plan make_plan(const Config& config, const PlanOptions& options, const PlanProgress& told) {
  PlanProgress progress = told ? told : [](const std::string&) {};
  check_ranks(config, options.ranks);
  int node = options.ranks_per_node > 0 ? options.ranks_per_node : options.ranks;
  StepOptions step = step_options(config);
  Plan plan;
  const auto& model_section = config.model.as<ModelSection>();
  bool has_blocks = false;
  {
    nn::DeferInit defer;
    auto model = model_section.make();
    plan.num_parameters = model->num_parameters();
    has_blocks = !model->blocks().empty();
  }
  plan.leaves_of_rank = (step.leaves + options.ranks - 1) / options.ranks;
  DataSection::Example example = config.data.as<DataSection>().example(model_section);
  for (Strategy strategy :
       {Strategy::ddp, Strategy::zero1, Strategy::zero2, Strategy::zero3, Strategy::hybrid}) {
    step.strategy = strategy;
    MeshShape shape{.ranks_per_node = options.ranks_per_node};
    if (strategy == Strategy::hybrid) {
      shape.group = static_cast<int>(config.parallel.group.value.value_or(node));
    }
    std::string refusal;
    if (shards_blocks(strategy) && !has_blocks) {
      refusal = "the model has no blocks whose parameters could be sharded";
    } else if (options.ranks % shape.group != 0) {
      refusal = fmt::format("{} ranks do not divide into groups of {}", options.ranks, shape.group);
    }
    StrategyPlan refused{.strategy = std::string(name(strategy)), .refusal = refusal};
    plan.strategies.push_back(
        refusal.empty() ? plan_strategy(config, step, shape, options.ranks, example, progress)
                        : refused);
  }
  return plan;
}

const StrategyPlan* choose(const Plan& plan, int64_t bytes) {
  const StrategyPlan* best = nullptr;
  for (const StrategyPlan& one : plan.strategies) {
    bool fits = one.refusal.empty() && one.peak <= bytes;
    if (fits && (!best || one.traffic < best->traffic)) best = &one;
  }
  return best;
}

}  // namespace tessera::experiment
