// One training step over all ranks.
#pragma once

#include <functional>
#include <vector>

#include "distributed/bucket.h"
#include "distributed/leaf_sum.h"
#include "distributed/statistics.h"
#include "nn/loss.h"

namespace tessera {

// A micro-batch: the part of a global batch that goes through the model at once.
struct Leaf {
  int64_t index = 0;  // in the global batch
  int64_t step = 0;   // counted from 0
};

struct StepOptions {
  int64_t leaves = 1;    // in a global batch; at least one for every rank
  double clip_norm = 0;  // of the whole gradient; 0 does not clip
  Strategy strategy = Strategy::ddp;
  ReductionMode reduction = ReductionMode::exact;
  int64_t bucket_bytes = int64_t{25} << 20;
  uint64_t seed = 1;  // of the random numbers inside leaves
};

struct StepResult {
  double loss = 0;       // mean over the global batch
  double weight = 0;     // samples or tokens in it
  double grad_norm = 0;  // before clipping
  bool finite = true;    // false: a loss or gradient was NaN or infinite, and nothing was updated
  bool stop = false;     // whether some rank asked to stop
};

// Data parallelism: every rank takes a share of each global batch's leaves. The parameters become
// views into buckets, whose gradients are summed over all leaves in one tree, so a run's bits
// depend neither on the number of ranks nor on the strategy, which says what of a bucket each rank
// keeps.
class TrainStep {
 public:
  using LossOfLeaf = std::function<nn::Loss(Leaf)>;

  // All of them outlive this. The optimizer's settings are used, not its own step().
  TrainStep(const nn::Module& module, const optim::Optimizer& optimizer, Communicator& comm,
            const StepOptions& options);

  // Runs the step: the loss of each of this rank's leaves, backward, the sum over all leaves
  // divided by the total weight, clipping, the update. A collective. What loss_of_leaf throws is
  // passed on, and fails the step on the other ranks too.
  StepResult run(double lr, const LossOfLeaf& loss_of_leaf, bool stop_requested = false);

  int64_t steps_done() const { return steps_done_; }

 private:
  StepResult run_collective(double lr, const LossOfLeaf& loss_of_leaf, bool stop_requested);
  // One for each bucket.
  class GradientSums;

  // A row of numbers that every rank is to know about the leaf, and what it observed.
  struct LeafResult {
    std::vector<double> row;
    std::vector<Observation> observed;
  };
  LeafResult run_leaf(const LossOfLeaf& loss_of_leaf, int64_t leaf, bool stop_requested) const;
  double norm_of(const std::vector<Array>& gradients) const;
  void update(double lr, const std::vector<Array>& gradients, double scale);
  void gather_parameters() const;

  const optim::Optimizer& optimizer_;
  Communicator& comm_;
  StepOptions options_;
  std::vector<Bucket> buckets_;
  Statistics statistics_;
  int64_t steps_done_ = 0;
};

}  // namespace tessera
