// One training step over all ranks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "distributed/bucket.h"
#include "distributed/leaf_table.h"
#include "distributed/round_schedule.h"
#include "distributed/statistics.h"
#include "distributed/step_options.h"
#include "distributed/step_result.h"
#include "distributed/train_state.h"
#include "nn/loss.h"

namespace tessera {

// A micro-batch: what of a global batch goes through the model at once.
struct Leaf {
  int64_t index = 0;  // in the global batch
  int64_t step = 0;   // counted from 0
};

// What is particular to one step.
struct StepCall {
  // Of this batch, the same on every rank: the last one may have fewer than StepOptions::leaves, or
  // fewer than ranks. 0: as many as that. Which rank takes which leaf follows from it.
  int64_t leaves = 0;
  bool stop_requested = false;
  // Compared between the ranks where it is given, as run() does.
  std::optional<double> lr = {};
};

class TrainStep;

// What TrainStep::accumulate gives: the sums over all leaves, and what belongs to them.
struct StepGradients {
  // Of each bucket (TrainStep::buckets) what this rank updates, Bucket::own, in Bucket::sum_dtype:
  // sums, to be divided by `weight`; nothing of buckets that are not trained. They may be changed
  // before they are applied.
  std::vector<Array> sums;
  double loss = 0;                        // mean over the global batch
  double weight = 0;                      // samples or tokens in it
  bool stop = false;                      // whether some rank asked to stop
  int64_t step = 0;                       // counted from 0
  std::optional<double> loss_scale = {};  // as in StepResult

 private:
  friend class TrainStep;
  const TrainStep* of_ = nullptr;
  Array loss_sum_;  // 0-d f64, where the host has not read it yet; `loss` is 0 until then
  // Running ones, to what the leaves observed; Statistics::move says when.
  std::function<void(const Array& when)> move_statistics_;
};

// Data parallelism: every rank takes a share of each global batch's leaves. The parameters become
// views into buckets, whose gradients are summed over all leaves in one tree, so a run's bits
// depend neither on the number of ranks nor on the strategy, which says what of a bucket each rank
// keeps. Sums begin while backward still runs.
//
// Under zero3 and hybrid the parameters of blocks exist only while the block runs in run() and
// evaluate(), and under whole_parameters; touching them elsewhere is an error that names the block.
//
// On the device meta, with a FakeCommunicator, everything is as on a CPU but numbers: losses, norms
// and statistics are 0.
class TrainStep {
 public:
  using LossOfLeaf = std::function<nn::Loss(Leaf)>;

  // All of them outlive this. The ranks of mesh.data() share the work, and several steps, of
  // different modules, may share a mesh. The optimizer's groups are used, not its own step(). Ranks
  // compare what they start from (start_agreement.h). A collective.
  TrainStep(nn::Module& module, const optim::Optimizer& optimizer, Mesh& mesh,
            const StepOptions& options);
  ~TrainStep();
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  // Runs the step: the loss of each of this rank's leaves, backward, the sum over all leaves
  // divided by the total weight, clipping, the update. lr is finite and the same on every rank. A
  // collective. What loss_of_leaf throws is passed on, and fails the step on the other ranks too.
  //
  // Where the host cannot read the device, this returns when all of the step has been enqueued, and
  // has waited at most until the step before knew its numbers. What is found on the device to be
  // wrong with the content of an array, an index in a batch, say, is thrown where the host looks
  // next: by the result, the next step, or what else here reads the state; the step is none then.
  // The host waits within a step where a rule does not heed UpdateStep::when, before the update;
  // where losses are scaled, before backward, for the numbers of the step before; and with other
  // ranks, for each leaf's loss and at the end.
  //
  // Of an optim::ClosureRule this is one of its steps, for which each leaf is run as often as the
  // rule asks for the loss, with the same random numbers. It takes no clip_value, no clip_norm and
  // no loss scale; its result, and what running statistics observe, are those of where the step
  // begins. A later loss or gradient that is not finite ends the step where all still were, and
  // finite() is false; what loss_of_leaf throws later leaves this rank's Bucket::master there. The
  // host waits for every loss.
  StepResult run(double lr, const LossOfLeaf& loss_of_leaf, StepCall call = {});

  // The two halves of run, for what goes between them. The first gives the gradients, and waits for
  // the loss; it may be called several times in one step, with the same random numbers. The second
  // divides, clips and updates: what run does, or, where a loss or gradient is not finite, does not
  // do. skip ends the step without that, and leaves the loss scale as it is. lr and gradients'
  // changes are the same on every rank; collectives but skip.
  StepGradients accumulate(const LossOfLeaf& loss_of_leaf, StepCall call = {});
  StepResult apply(double lr, StepGradients gradients);
  void skip(const StepGradients& gradients);
  // Of the mean gradient, before clipping. A collective.
  double norm(const StepGradients& gradients) const;
  // To be called when this rank's Bucket::master were changed, on all ranks alike: the parameters
  // follow, and before the first update what they are to be used at. A collective.
  void masters_changed();
  // The collectives of such a step, with nothing computed on this rank.
  void run_idle(double lr);

  // The mean loss of `count` batches, each of which some rank takes, without gradients: the same
  // bits on any number of ranks. The parameters are what they are to be used at
  // (optim::EvaluationPoint), and what is trained again at the end; random numbers are those of the
  // batch, the same in every evaluation. Running statistics are used as they are: batch norm
  // observed them at the trained points. What loss_of_batch throws fails the mesh; then each rank
  // has put back what it updates. After a SharedError, which every rank's throws for its batch of
  // the same round, all goes on. A SharedError where the losses have no weight. A collective.
  double evaluate(int64_t count, const std::function<nn::Loss(int64_t)>& loss_of_batch);
  // The same of several sums at once, num_sums of each batch: their means, the loss first. A mean
  // of no weight is NaN; a loss of none is the SharedError. nn::Loss{} of a batch adds nothing.
  std::vector<double> evaluate(int64_t count, size_t num_sums,
                               const std::function<std::vector<nn::Loss>(int64_t)>& sums_of_batch);

  // Runs body with all parameters whole on every rank, as they are trained: of a rule with an
  // optim::EvaluationPoint that is the trained point, not the one that state() gives. A collective;
  // body may be one of other steps on the same mesh.
  void whole_parameters(const std::function<void()>& body);

  // The module's state_dict with parameters in the dtype that they are updated in, whole on every
  // rank, and as they are to be used (optim::EvaluationPoint). A collective. Shares memory with the
  // module where that has what is asked for.
  nn::StateDict state();

  // The state as far as this rank has it (train_state.h), to be saved or overwritten between steps.
  std::vector<HeldTensor> held() const { return held_state(module_, buckets_, grid_); }
  // To be called when held() has been overwritten: the parameters follow, and the next step is the
  // one after `steps_done`, of which `updates_done` updated the parameters, all if not given. A
  // loss scale goes on from where it was, or begins anew. What a device finds to be wrong with a
  // step before this one is nobody's any more. A SharedError where ranks disagree about the
  // numbers. A collective.
  void restored(int64_t steps_done, std::optional<int64_t> updates_done = {},
                std::optional<LossScaleState> loss_scale = {});

  // A trained parameter that is not finite any more, or whose optimizer state is not, the same on
  // every rank; empty: all are. Reads the state once. A collective.
  std::string nonfinite_parameter();

  int64_t steps_done() const { return steps_done_ - (late_ && late_->failed() ? 1 : 0); }
  // Of the steps done, those that were finite and moved the parameters: what the optimizer counts.
  // Waits for the last one's numbers.
  int64_t updates_done();
  // That of the step to come, the same on every rank; none where losses are not scaled. Waits as
  // updates_done.
  std::optional<LossScaleState> loss_scale();
  // On meta: why the optimizer's update could not be gone through, where it reads numbers.
  const std::string& update_left_out() const { return update_left_out_; }
  const nn::Module& module() const { return module_; }
  const optim::Optimizer& optimizer() const { return optimizer_; }
  const std::vector<Bucket>& buckets() const { return buckets_; }
  const Mesh& mesh() const { return mesh_; }
  const ShardGrid& grid() const { return grid_; }

 private:
  // A row of numbers that every rank is to know about the leaf, and what it observed.
  struct LeafResult {
    std::vector<double> row;
    std::vector<Observation> observed;
    Array loss = {};  // where the row has 0 instead of it
  };
  // What the leaves of this rank gave.
  struct Leaves {
    std::vector<std::vector<double>> rows;
    std::vector<std::vector<Observation>> observed;
    std::vector<Array> losses;
  };

  class PointExchange;
  class StepObjective;

  template <class Body>
  auto guarded(const Body& body) const;
  static void check_lr(double lr);
  void check_gradients(const StepGradients& gradients) const;
  void check_no_gradients() const;
  StepGradients sum_gradients(const LossOfLeaf* loss_of_leaf, StepCall call);
  StepGradients sums_of(const LossOfLeaf& loss_of_leaf, StepCall call);
  void read_loss(StepGradients& gradients) const;
  StepResult apply_collective(double lr, StepGradients gradients);
  StepResult apply_on_device(double lr, const StepGradients& gradients, const Array& norm);
  StepResult run_closure(double lr, const LossOfLeaf& loss_of_leaf, StepCall call);
  void backward(const nn::Loss& loss);
  void settle();
  void forget_late();
  void settle_if_ready();
  Array clip_values(const StepGradients& gradients, const Array& norm) const;
  // The parameters follow the masters; a collective unless only the own ones do.
  void take_masters(const char* op, bool gather = true);
  bool has_points() const;
  void exchange_points();
  Leaves run_rounds(const LossOfLeaf* loss_of_leaf, StepCall call, std::vector<GradientSum>& sums);
  LeafResult run_leaf(const LossOfLeaf& loss_of_leaf, int64_t leaf, bool stop_requested);
  void check_same_lr(const LeafTable& table, int64_t num_leaves) const;
  std::vector<GradientSum> gradient_sums(int64_t num_leaves) const;
  std::vector<int64_t> own_leaves(int64_t num_leaves) const;
  int64_t num_rounds(int64_t num_leaves) const;
  int group() const { return grid_.shards().size(); }
  bool on_meta() const { return buckets_[0].own_params.device().type == DeviceType::meta; }

  int64_t num_columns() const;
  void add_use_columns(std::vector<double>& row) const;
  void check_use(const LeafTable& table, int64_t num_leaves) const;
  Array scale_on_device(double scale) const;
  void update(double lr, const std::vector<Array>& gradients, const Array& grad_scale,
              const Array& when = {});
  void update_segment(const Segment& segment, const optim::Slice& slice, const Array& grad_scale,
                      optim::UpdateStep step);
  Backend& device() const { return buckets_[0].own_params.storage()->backend(); }
  // Whether the host looks at a step's numbers after it. Other ranks' are asked for on the host.
  bool looks_later() const;
  // Makes whole what is not sharded, of trained parameters or of all.
  void gather_parameters(bool frozen_too = false) const;

  nn::Module& module_;
  const optim::Optimizer& optimizer_;
  Mesh& mesh_;
  StepOptions options_;
  ShardGrid grid_;
  std::vector<Bucket> buckets_;
  Statistics statistics_;
  RoundSchedule schedule_;
  const optim::ClosureRule* closure_rule_ = nullptr;  // the rule, where it is one
  std::optional<LossScale> loss_scale_;
  size_t num_parameters_ = 0;  // in buckets
  std::vector<bool> got_;      // of parameters: a gradient in this leaf
  int64_t steps_done_ = 0;
  int64_t updates_done_ = 0;  // without a late step
  // The last step, where the host has not looked yet whether it updated.
  std::shared_ptr<LateNumbers> late_;
  std::string update_left_out_;
};

}  // namespace tessera
