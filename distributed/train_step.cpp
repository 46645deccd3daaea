#include "distributed/train_step.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "autograd/context.h"
#include "autograd/ops/creation.h"
#include "autograd/ops/shape.h"
#include "core/finite.h"
#include "core/kernels.h"
#include "core/kernels/reduce.h"
#include "core/tree.h"
#include "distributed/agreement.h"
#include "distributed/gradient_norm.h"
#include "distributed/start_agreement.h"

namespace tessera {
namespace {

// The columns of a leaf's row; those of its statistics follow, then which parameters it used.
enum Column : int64_t { kLoss, kWeight, kStop, kLr, kNumColumns };

// Flags in one number of a row.
constexpr size_t kFlags = 48;

// The first parameter of a trained bucket with a number in this rank's shard of its state that is
// not finite; empty if there is none.
std::string nonfinite_in(const Bucket& bucket) {
  std::vector<Array> arrays{bucket.master};
  // A master may be finite, and too large for the parameter's own dtype.
  if (bucket.master.storage() != bucket.own_params.storage()) arrays.push_back(bucket.own_params);
  arrays.insert(arrays.end(), bucket.state.begin(), bucket.state.end());
  if (std::all_of(arrays.begin(), arrays.end(), all_finite)) return {};
  for (const Segment& segment : bucket.segments) {
    Interval own = bucket.own_interval_of(segment);
    std::vector<Array> slices{slice_of(bucket.master, own), slice_of(bucket.own_params, own)};
    slices.insert(slices.end(), segment.state.begin(), segment.state.end());
    if (!std::all_of(slices.begin(), slices.end(), all_finite)) return segment.name;
  }
  return {};
}

// In the order of the tree.
Array sum_of_losses(const std::vector<Array>& losses) {
  Array all = Array::empty({static_cast<int64_t>(losses.size())}, DType::f64, losses[0].device());
  for (size_t i = 0; i < losses.size(); ++i) {
    all.select(0, static_cast<int64_t>(i)).copy_(losses[i].view({}));
  }
  Array sum = Array::empty({}, DType::f64, all.device());
  kernels(all.device()).reduce().tree_sum(all, sum);
  return sum;
}

// What numbers are drawn for in an evaluation, where a step has its index.
constexpr uint64_t kEvaluationStep = UINT64_MAX;

// While one lives, numbers may be drawn as those of another place.
class KeptRandom {
 public:
  KeptRandom() : before_(context().random) {}
  ~KeptRandom() { context().random = std::move(before_); }
  KeptRandom(const KeptRandom&) = delete;
  KeptRandom& operator=(const KeptRandom&) = delete;

 private:
  RandomState before_;
};

// A sum and its weight after another, of one batch of an evaluation; of an empty one, zeros.
std::vector<double> row_of(const std::vector<nn::Loss>& sums, size_t num_sums) {
  TESSERA_CHECK(sums.size() == num_sums, "[TrainStep] expected {} sums of a batch, got {}",
                num_sums, sums.size());
  std::vector<double> row;
  for (const nn::Loss& one : sums) {
    row.push_back(one.sum.defined() ? one.sum.item<double>() : 0);
    row.push_back(one.weight);
  }
  return row;
}

std::vector<double> means_of(const LeafTable& table, size_t num_sums) {
  std::vector<double> means;
  for (int64_t i = 0; i < static_cast<int64_t>(num_sums); ++i) {
    double weight = table.sum(2 * i + 1);
    means.push_back(weight > 0 ? table.sum(2 * i) / weight : std::nan(""));
  }
  if (!(table.sum(1) > 0)) {
    throw SharedError("[TrainStep] the losses of an evaluation have no weight");
  }
  return means;
}

std::string scale_in_words(const std::optional<LossScaleState>& state) {
  if (!state) return "none";
  return fmt::format("{} after {} finite steps", state->scale, state->growth_tracker);
}

// A module has one step at a time.
nn::Module& unused(nn::Module& module) {
  TESSERA_CHECK(!module.own_block_runner(),
                "[TrainStep] the module has a TrainStep already: a new one is made when that is "
                "gone");
  return module;
}

}  // namespace

TrainStep::TrainStep(nn::Module& module, const optim::Optimizer& optimizer, Mesh& mesh,
                     const StepOptions& options)
    : module_(unused(module)),
      optimizer_(optimizer),
      mesh_(mesh),
      options_(options),
      grid_((agree_on_start(module, optimizer, options, mesh), mesh), options.strategy),
      buckets_(make_buckets(module, optimizer, {options.bucket_bytes, options.dtype}, grid_)),
      statistics_(module),
      schedule_(module, buckets_, grid_, options.recompute) {
  int world_size = mesh.data().size();
  TESSERA_CHECK(std::any_of(buckets_.begin(), buckets_.end(),
                            [](const Bucket& bucket) { return bucket.trained; }),
                "[TrainStep] the model has no parameters to train");
  TESSERA_CHECK(options.leaves >= world_size,
                "a global batch of {} leaves cannot be shared by {} ranks: every rank needs one",
                options.leaves, world_size);
  TESSERA_CHECK(options.clip_value >= 0 && options.clip_norm >= 0,
                "[TrainStep] expected a clip_value and a clip_norm of at least 0, got {} and {}",
                options.clip_value, options.clip_norm);
  if (options.loss_scale) loss_scale_.emplace(*options.loss_scale);
  for (const Bucket& bucket : buckets_) {
    num_parameters_ += bucket.segments.size();
    if (bucket.trained) closure_rule_ = optim::closure_rule_of(bucket.segments[0].rule);
  }
  TESSERA_CHECK(!closure_rule_ || (options.clip_value == 0 && options.clip_norm == 0),
                "[TrainStep] expected no clip_value and no clip_norm with a rule that takes "
                "gradients as they are: {}",
                optimizer.describe());
  TESSERA_CHECK(!closure_rule_ || !options.loss_scale,
                "[TrainStep] expected no loss scale with a rule that asks for the loss itself: {}",
                optimizer.describe());
  module.set_block_runner(&schedule_);
}

TrainStep::~TrainStep() {
  if (module_.own_block_runner() == &schedule_) module_.set_block_runner(nullptr);
}

std::vector<int64_t> TrainStep::own_leaves(int64_t num_leaves) const {
  return leaves_of_rank(num_leaves, mesh_.data().rank(), mesh_.data().size(), group());
}

int64_t TrainStep::num_rounds(int64_t num_leaves) const {
  int group_index = mesh_.data().rank() / group();
  int64_t leaves = share_of_rank(num_leaves, group_index, mesh_.data().size() / group()).size();
  return (leaves + group() - 1) / group();
}

// One rank's failure is everybody's.
template <class Body>
auto TrainStep::guarded(const Body& body) const {
  try {
    return body();
  } catch (const SharedError&) {
    throw;  // the others have it by themselves, and none waits for an answer
  } catch (const std::exception& error) {
    mesh_.abort(error.what());
    throw;
  }
}

StepResult TrainStep::run(double lr, const LossOfLeaf& loss_of_leaf, StepCall call) {
  call.lr = lr;
  return guarded([&] {
    // Without numbers there is nothing to decide by: on meta the rule is left out.
    if (closure_rule_ && !on_meta()) return run_closure(lr, loss_of_leaf, call);
    return apply_collective(lr, sums_of(loss_of_leaf, call));
  });
}

void TrainStep::run_idle(double lr) {
  guarded([&] { apply_collective(lr, sum_gradients(nullptr, {options_.leaves, false, lr})); });
}

StepGradients TrainStep::accumulate(const LossOfLeaf& loss_of_leaf, StepCall call) {
  return guarded([&] {
    settle();
    StepGradients gradients = sums_of(loss_of_leaf, call);
    read_loss(gradients);
    return gradients;
  });
}

StepGradients TrainStep::sums_of(const LossOfLeaf& loss_of_leaf, StepCall call) {
  if (call.leaves == 0) call.leaves = options_.leaves;
  TESSERA_CHECK(call.leaves >= 1 && call.leaves <= options_.leaves,
                "[TrainStep] expected from 1 to {} leaves, got {}", options_.leaves, call.leaves);
  check_lr(call.lr.value_or(0));
  settle_if_ready();
  return sum_gradients(&loss_of_leaf, call);
}

void TrainStep::read_loss(StepGradients& gradients) const {
  if (!gradients.loss_sum_.defined()) return;
  gradients.loss = gradients.loss_sum_.item<double>() / gradients.weight;
  gradients.loss_sum_ = {};
}

double TrainStep::norm(const StepGradients& gradients) const {
  return guarded([&] {
    check_gradients(gradients);
    Array norm = gradient_norm(buckets_, gradients.sums, grid_);
    return on_meta() ? 0 : norm.item<double>() / gradients.weight;
  });
}

StepResult TrainStep::apply(double lr, StepGradients gradients) {
  return guarded([&] {
    check_lr(lr);
    check_gradients(gradients);
    return apply_collective(lr, std::move(gradients));
  });
}

void TrainStep::skip(const StepGradients& gradients) {
  guarded([&] { check_gradients(gradients); });
  ++steps_done_;
}

void TrainStep::check_lr(double lr) {
  TESSERA_CHECK(std::isfinite(lr), "[TrainStep] expected a finite learning rate, got {}", lr);
}

void TrainStep::check_gradients(const StepGradients& gradients) const {
  TESSERA_CHECK(gradients.of_ == this,
                "[TrainStep] expected gradients that this step's accumulate gave, got another's");
  bool fits = gradients.sums.size() == buckets_.size() && gradients.step == steps_done_;
  for (size_t i = 0; fits && i < buckets_.size(); ++i) {
    const Array& sum = gradients.sums[i];
    bool wanted = buckets_[i].trained;
    fits = wanted == sum.defined() && (!wanted || sum.shape() == Dims{buckets_[i].own.size()});
  }
  TESSERA_CHECK(fits,
                "[TrainStep] expected the gradients that accumulate gave in step {}, with their "
                "shapes",
                steps_done_ + 1);
}

std::vector<GradientSum> TrainStep::gradient_sums(int64_t num_leaves) const {
  std::vector<GradientSum> sums;
  for (const Bucket& bucket : buckets_) {
    if (!bucket.trained) continue;
    sums.emplace_back(num_leaves, bucket.cut, bucket.sum_dtype(), options_.reduction, grid_);
  }
  return sums;
}

void TrainStep::check_no_gradients() const {
  for (const Bucket& bucket : buckets_) {
    if (!bucket.trained) continue;
    for (const Segment& segment : bucket.segments) {
      TESSERA_CHECK(!segment.parameter.grad().defined(),
                    "[TrainStep] parameter '{}' has a gradient before the step: somebody else's "
                    "backward reached it; zero_grad() drops it, requires_grad_(false) prevents it",
                    segment.name);
    }
  }
}

StepGradients TrainStep::sum_gradients(const LossOfLeaf* loss_of_leaf, StepCall call) {
  check_no_gradients();
  std::vector<GradientSum> sums = gradient_sums(call.leaves);
  Leaves leaves = run_rounds(loss_of_leaf, call, sums);
  std::optional<LossScaleState> scaled = loss_scale();
  for (std::vector<double>& row : leaves.rows) row[kLr] = call.lr.value_or(0);
  auto table = std::make_shared<const LeafTable>(leaves.rows, num_columns(), call.leaves, group(),
                                                 mesh_.data_control());
  check_same_lr(*table, call.leaves);
  check_use(*table, call.leaves);
  StepGradients out;
  out.of_ = this;
  out.step = steps_done_;
  if (scaled) out.loss_scale = scaled->scale;
  size_t next = 0;
  for (const Bucket& bucket : buckets_) {
    out.sums.push_back(bucket.trained ? sums[next++].result() : Array());
  }
  out.weight = table->sum(kWeight);
  if (!(out.weight > 0)) throw SharedError("[TrainStep] the losses of a step have no weight");
  out.loss = table->sum(kLoss) / out.weight;
  if (!leaves.losses.empty()) out.loss_sum_ = sum_of_losses(leaves.losses);
  out.stop = table->max(kStop) > 0;
  out.move_statistics_ = [this, table, leaves = call.leaves,
                          observed = std::move(leaves.observed)](const Array& when) {
    statistics_.move(observed, *table, kNumColumns, leaves, group(), mesh_.data_control(), when);
  };
  return out;
}

TrainStep::Leaves TrainStep::run_rounds(const LossOfLeaf* loss_of_leaf, StepCall call,
                                        std::vector<GradientSum>& sums) {
  Leaves out;
  std::vector<int64_t> leaves = own_leaves(call.leaves);
  // One at least: a group without a leaf has its share in the sums all the same.
  auto rounds = static_cast<size_t>(std::max<int64_t>(1, num_rounds(call.leaves)));
  for (size_t round = 0; round < rounds; ++round) {
    bool has_leaf = round < leaves.size();
    got_.assign(num_parameters_, false);
    schedule_.begin(sums, got_, has_leaf, round + 1 == rounds);
    if (has_leaf) {
      LeafResult leaf{std::vector<double>(static_cast<size_t>(kNumColumns) +
                                          static_cast<size_t>(statistics_.num_columns())),
                      {}};
      if (loss_of_leaf) leaf = run_leaf(*loss_of_leaf, leaves[round], call.stop_requested);
      else leaf.row[kWeight] = 1;
      if (leaf.loss.defined()) out.losses.push_back(std::move(leaf.loss));
      out.rows.push_back(std::move(leaf.row));
      out.observed.push_back(std::move(leaf.observed));
    }
    schedule_.end();
    if (has_leaf) add_use_columns(out.rows.back());
  }
  return out;
}

TrainStep::LeafResult TrainStep::run_leaf(const LossOfLeaf& loss_of_leaf, int64_t leaf,
                                          bool stop_requested) {
  context().random.begin(options_.seed, static_cast<uint64_t>(steps_done_),
                         static_cast<uint64_t>(leaf));
  Observations observations;
  nn::Loss loss = loss_of_leaf({leaf, steps_done_});
  backward(loss);
  std::vector<double> row(kNumColumns);
  row[kLoss] = on_meta() || looks_later() ? 0 : loss.sum.item<double>();
  row[kWeight] = loss.weight;
  row[kStop] = stop_requested ? 1 : 0;
  std::vector<double> columns = statistics_.columns_of(observations.list());
  row.insert(row.end(), columns.begin(), columns.end());
  Array kept = looks_later() ? loss.sum.data().to(DType::f64) : Array();
  return {std::move(row), observations.list(), std::move(kept)};
}

void TrainStep::backward(const nn::Loss& loss) {
  if (!loss_scale_) return loss.sum.backward();
  settle();  // the scale follows from the step before
  double scale = loss_scale_->of_sum(loss.weight);
  schedule_.unscale_by(1 / scale);
  // A loss of 16 bits might not hold its scale.
  bool wide = loss.sum.dtype() == DType::f64;
  Tensor sum = to(loss.sum, wide ? DType::f64 : DType::f32);
  sum.backward(full_like(sum.detach(), scale));
}

int64_t TrainStep::num_columns() const {
  return kNumColumns + statistics_.num_columns() +
         static_cast<int64_t>((num_parameters_ + kFlags - 1) / kFlags);
}

void TrainStep::add_use_columns(std::vector<double>& row) const {
  for (size_t first = 0; first < num_parameters_; first += kFlags) {
    int64_t flags = 0;
    for (size_t i = first; i < std::min(first + kFlags, num_parameters_); ++i) {
      flags |= int64_t{got_[i]} << (i - first);
    }
    row.push_back(static_cast<double>(flags));
  }
}

// All ranks have the same table, so they have the same errors.
void TrainStep::check_same_lr(const LeafTable& table, int64_t num_leaves) const {
  for (int64_t leaf = 1; leaf < num_leaves && !on_meta(); ++leaf) {
    if (table.at(leaf, kLr) == table.at(0, kLr)) continue;
    throw SharedError(
        fmt::format("[TrainStep] ranks disagree about the learning rate of step {}: {} and {}",
                    steps_done_ + 1, table.at(0, kLr), table.at(leaf, kLr)));
  }
}

void TrainStep::check_use(const LeafTable& table, int64_t num_leaves) const {
  if (options_.unused == UnusedParameters::zero || on_meta()) return;
  const Segment* unused = nullptr;  // the first
  for (const Bucket& bucket : buckets_) {
    for (const Segment& segment : bucket.segments) {
      if (!bucket.trained || (unused && unused->index < segment.index)) continue;
      int64_t column =
          kNumColumns + statistics_.num_columns() + static_cast<int64_t>(segment.index / kFlags);
      int64_t seen = 0;
      for (int64_t leaf = 0; leaf < num_leaves; ++leaf) {
        seen |= static_cast<int64_t>(table.at(leaf, column));
      }
      if ((seen >> (segment.index % kFlags) & 1) == 0) unused = &segment;
    }
  }
  if (!unused) return;
  throw SharedError(fmt::format(
      "parameter '{}' got no gradient: it takes no part in the loss of any leaf of this step "
      "(parallel.unused_parameters: zero lets that be)",
      unused->name));
}

bool TrainStep::looks_later() const {
  return device().has_elements() && !device().host_reads() && mesh_.data().size() == 1;
}

// The host looks at the last step's numbers, and waits for them. A step that failed is none.
void TrainStep::settle() {
  if (!late_) return;
  std::shared_ptr<LateNumbers> late = std::exchange(late_, nullptr);
  --steps_done_;
  if (late->failed()) return;  // which whoever asked has heard
  bool finite = late->get().finite;
  if (finite) ++updates_done_;
  if (loss_scale_) loss_scale_->update(finite);
  ++steps_done_;
}

// The last step is past mattering, and what was wrong with it too; it is waited for all the same.
void TrainStep::forget_late() {
  std::shared_ptr<LateNumbers> late = std::exchange(late_, nullptr);
  if (!late || late->failed()) return;
  try {
    late->get();
  } catch (const Error&) {
  }
}

void TrainStep::settle_if_ready() {
  if (late_ && late_->ready()) settle();
}

int64_t TrainStep::updates_done() {
  settle();
  return updates_done_;
}

std::optional<LossScaleState> TrainStep::loss_scale() {
  if (!loss_scale_) return std::nullopt;
  settle();
  return loss_scale_->state();
}

void TrainStep::restored(int64_t steps_done, std::optional<int64_t> updates_done,
                         std::optional<LossScaleState> loss_scale) {
  guarded([&] {
    int64_t updates = updates_done.value_or(steps_done);
    TESSERA_CHECK(steps_done >= 0 && updates >= 0 && updates <= steps_done,
                  "[TrainStep] expected from 0 updates to one a step, got {} in {} steps", updates,
                  steps_done);
    forget_late();
    if (mesh_.data().size() > 1) {
      require_agreement(
          mesh_.data_control(),
          {{"the step to go on from", fmt::format("{} steps with {} updates", steps_done, updates)},
           {"the loss scale", scale_in_words(loss_scale)}});
    }
    if (loss_scale_) loss_scale ? loss_scale_->restore(*loss_scale) : loss_scale_->reset();
    for (const Bucket& bucket : buckets_) {
      // Of one that no update moved there is one point, whoever wrote it.
      if (updates == 0 && bucket.evaluation_point()) bucket.master.copy_(bucket.meant());
    }
    take_masters("TrainStep::restored");
    steps_done_ = steps_done;
    updates_done_ = updates;
  });
}

void TrainStep::masters_changed() {
  guarded([&] {
    settle();
    for (const Bucket& bucket : buckets_) {
      if (updates_done_ == 0 && bucket.evaluation_point()) bucket.meant().copy_(bucket.master);
    }
    take_masters("TrainStep::masters_changed");
  });
}

std::string TrainStep::nonfinite_parameter() {
  return guarded([&] {
    settle();
    std::string own;
    for (const Bucket& bucket : buckets_) {
      if (own.empty() && bucket.trained) own = nonfinite_in(bucket);
    }
    std::vector<std::string> all = gather_texts(mesh_.data_control(), own);
    auto found =
        std::find_if(all.begin(), all.end(), [](const auto& text) { return !text.empty(); });
    return found == all.end() ? std::string() : *found;
  });
}

// The parameters are at their evaluation point from begin() to undo(), both collectives; or to the
// end of this where somebody throws. Ranks do not come there together, unless it is a SharedError:
// each puts back what it updates, and the only one all there is.
class TrainStep::PointExchange {
 public:
  explicit PointExchange(TrainStep& step) : step_(step) {}
  ~PointExchange() {
    if (!pending_) return;
    try {
      undo_after_error(/*together=*/step_.mesh_.data().size() == 1);
    } catch (const std::exception&) {  // what is on its way tells more
    }
  }
  PointExchange(const PointExchange&) = delete;
  PointExchange& operator=(const PointExchange&) = delete;

  void begin() {
    if (!step_.has_points()) return;
    step_.exchange_points();
    pending_ = true;
    step_.take_masters("TrainStep::evaluate");
  }
  void undo() {
    if (!std::exchange(pending_, false)) return;
    step_.exchange_points();
    step_.take_masters("TrainStep::evaluate");
  }
  // Within a round; together: a collective.
  void undo_after_error(bool together) {
    if (together) step_.schedule_.end();
    if (!std::exchange(pending_, false)) return;
    step_.exchange_points();
    step_.take_masters("TrainStep::evaluate", /*gather=*/together);
  }

 private:
  TrainStep& step_;
  bool pending_ = false;
};

double TrainStep::evaluate(int64_t count, const std::function<nn::Loss(int64_t)>& loss_of_batch) {
  return evaluate(count, 1, [&](int64_t batch) { return std::vector{loss_of_batch(batch)}; })[0];
}

std::vector<double> TrainStep::evaluate(
    int64_t count, size_t num_sums,
    const std::function<std::vector<nn::Loss>(int64_t)>& sums_of_batch) {
  return guarded([&] {
    TESSERA_CHECK(num_sums >= 1, "[TrainStep] expected a sum of a batch at least");
    settle();
    NoGrad no_grad;
    const KeptRandom kept;
    std::vector<std::vector<double>> rows;
    std::vector<int64_t> batches = own_leaves(count);  // dealt as leaves are
    PointExchange exchange(*this);
    exchange.begin();
    try {
      for (int64_t round = 0; round < num_rounds(count); ++round) {
        schedule_.begin_forward();
        if (round < static_cast<int64_t>(batches.size())) {
          int64_t batch = batches[static_cast<size_t>(round)];
          context().random.begin(options_.seed, kEvaluationStep, static_cast<uint64_t>(batch));
          rows.push_back(row_of(sums_of_batch(batch), num_sums));
        }
        schedule_.end();
      }
    } catch (const SharedError&) {
      exchange.undo_after_error(/*together=*/true);
      throw;
    }
    exchange.undo();
    LeafTable table(rows, 2 * static_cast<int64_t>(num_sums), count, group(), mesh_.data_control());
    return means_of(table, num_sums);
  });
}

void TrainStep::whole_parameters(const std::function<void()>& body) {
  guarded([&] {
    schedule_.gather_all();
    struct Release {
      RoundSchedule& schedule;
      ~Release() { schedule.release_all(); }
    } release{schedule_};
    body();
  });
}

nn::StateDict TrainStep::state() {
  return guarded([&] {
    settle();
    std::unordered_map<const void*, Array> whole;
    for (const Bucket& bucket : buckets_) {
      Array values = bucket.params;
      const Array& own = bucket.meant();
      if (bucket.sharded || own.dtype() != values.dtype() || bucket.evaluation_point()) {
        values = Array::empty({bucket.numel}, own.dtype(), own.device());
        Gather(grid_.owners(), bucket.cut, own, values).wait();
      }
      for (const Segment& segment : bucket.segments) {
        Array data = slice_of(values, {segment.begin, segment.end});
        whole[segment.parameter.shared().get()] = data.view(segment.parameter.shape());
      }
    }
    nn::StateDict state;
    for (const auto& [name, tensor] : module_.named_state()) {
      auto found = whole.find(tensor.shared().get());
      state.emplace_back(name, found == whole.end() ? tensor.data() : found->second);
    }
    return state;
  });
}

}  // namespace tessera
