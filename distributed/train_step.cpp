#include "distributed/train_step.h"

#include <cmath>

#include "autograd/context.h"
#include "core/kernels.h"
#include "core/tree.h"
#include "distributed/round_sum.h"

namespace tessera {
namespace {

// The columns of a leaf's row; those of its statistics follow.
enum Column : int64_t { kLoss, kWeight, kStop, kNumColumns };

}  // namespace

// Sums every bucket's gradients, as the strategy has it.
class TrainStep::GradientSums {
 public:
  GradientSums(const TrainStep& step) : step_(step) {
    const StepOptions& options = step.options_;
    for (const Bucket& bucket : step.buckets_) {
      if (options.strategy == Strategy::zero2) {
        rounds_.emplace_back(options.leaves, bucket.numel, bucket.dtype(), options.reduction,
                             step.comm_);
      } else {
        runs_.emplace_back(options.leaves, options.reduction, step.comm_);
      }
    }
  }

  // Takes the gradients of a leaf, if this rank had one in this round. The last bucket comes first,
  // since backward runs from the output.
  void add(bool has_leaf) {
    for (size_t i = step_.buckets_.size(); i-- > 0;) {
      Array gradient = has_leaf ? take_gradients(step_.buckets_[i], step_.comm_) : Array();
      if (!rounds_.empty()) rounds_[i].add(gradient);
      else if (has_leaf) runs_[i].add(gradient);
    }
  }

  // Of the elements that this rank updates.
  std::vector<Array> reduce() {
    std::vector<Array> sums(step_.buckets_.size());
    for (size_t i = sums.size(); i-- > 0;) {
      if (!rounds_.empty()) sums[i] = rounds_[i].shard();
      else if (step_.options_.strategy == Strategy::ddp) sums[i] = runs_[i].reduce();
      else sums[i] = runs_[i].reduce_to_shards();
    }
    return sums;
  }

 private:
  const TrainStep& step_;
  std::vector<LeafSum> runs_;
  std::vector<RoundSum> rounds_;
};

TrainStep::TrainStep(const nn::Module& module, const optim::Optimizer& optimizer,
                     Communicator& comm, const StepOptions& options)
    : optimizer_(optimizer),
      comm_(comm),
      options_(options),
      buckets_(make_buckets(module, optimizer, options.bucket_bytes, options.strategy, comm)),
      statistics_(module) {
  TESSERA_CHECK(!buckets_.empty(), "[TrainStep] the model has no parameters to train");
  TESSERA_CHECK(options.leaves >= comm.size(),
                "a global batch of {} leaves cannot be shared by {} ranks: every rank needs one",
                options.leaves, comm.size());
}

StepResult TrainStep::run(double lr, const LossOfLeaf& loss_of_leaf, bool stop_requested) {
  try {
    return run_collective(lr, loss_of_leaf, stop_requested);
  } catch (const std::exception& error) {
    comm_.abort(error.what());
    throw;
  }
}

StepResult TrainStep::run_collective(double lr, const LossOfLeaf& loss_of_leaf,
                                     bool stop_requested) {
  GradientSums sums(*this);
  std::vector<std::vector<double>> rows;
  std::vector<std::vector<Observation>> observed;
  std::vector<int64_t> leaves =
      leaves_of_rank(options_.strategy, options_.leaves, comm_.rank(), comm_.size());
  int64_t rounds = (options_.leaves + comm_.size() - 1) / comm_.size();
  for (size_t round = 0; round < static_cast<size_t>(rounds); ++round) {
    bool has_leaf = round < leaves.size();
    if (has_leaf) {
      LeafResult leaf = run_leaf(loss_of_leaf, leaves[round], stop_requested);
      rows.push_back(std::move(leaf.row));
      observed.push_back(std::move(leaf.observed));
    }
    sums.add(has_leaf);
  }

  LeafTable table(rows, kNumColumns + statistics_.num_columns(), options_.leaves, options_.strategy,
                  comm_);
  std::vector<Array> gradients = sums.reduce();
  StepResult result;
  result.weight = table.sum(kWeight);
  TESSERA_CHECK(result.weight > 0, "[TrainStep] the losses of a step have no weight");
  result.loss = table.sum(kLoss) / result.weight;
  result.stop = table.max(kStop) > 0;
  result.grad_norm = norm_of(gradients) / result.weight;
  result.finite = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
  if (result.finite) {
    bool clip = options_.clip_norm > 0;
    double factor = clip ? std::min(1.0, options_.clip_norm / (result.grad_norm + 1e-6)) : 1.0;
    update(lr, gradients, factor / result.weight);
    gather_parameters();
    statistics_.move(observed, table, kNumColumns, options_.leaves, options_.strategy, comm_);
  }
  ++steps_done_;
  return result;
}

TrainStep::LeafResult TrainStep::run_leaf(const LossOfLeaf& loss_of_leaf, int64_t leaf,
                                          bool stop_requested) const {
  context().random.begin(options_.seed, static_cast<uint64_t>(steps_done_),
                         static_cast<uint64_t>(leaf));
  Observations observations;
  nn::Loss loss = loss_of_leaf({leaf, steps_done_});
  loss.sum.backward();
  std::vector<double> row(kNumColumns);
  row[kLoss] = loss.sum.item<double>();
  row[kWeight] = loss.weight;
  row[kStop] = stop_requested ? 1 : 0;
  std::vector<double> columns = statistics_.columns_of(observations.list());
  row.insert(row.end(), columns.begin(), columns.end());
  return {std::move(row), observations.list()};
}

// One sum of squares per chunk, folded over all chunks of all parameters in one tree: how the
// parameters are cut into buckets, and these into shards, changes nothing.
double TrainStep::norm_of(const std::vector<Array>& gradients) const {
  std::vector<double> chunks;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& bucket = buckets_[i];
    Array sums = Array::empty({bucket.numel / kChunkElements}, DType::f64);
    auto of = [&](Run run) {
      return sums.slice(0, run.begin / kChunkElements, run.end / kChunkElements);
    };
    kernels(sums.device()).reduce().chunk_square_sums(gradients[i], of(bucket.own));
    if (options_.strategy != Strategy::ddp) {
      std::vector<Array> parts;
      for (Run shard : shards_of(bucket.numel, comm_.size())) parts.push_back(of(shard));
      comm_.all_gather(parts[static_cast<size_t>(comm_.rank())], parts).wait();
    }
    const auto* values = sums.data<double>();
    chunks.insert(chunks.end(), values, values + sums.numel());
  }
  return std::sqrt(tree_sum(chunks));
}

void TrainStep::update(double lr, const std::vector<Array>& gradients, double scale) {
  Array grad_scale = Array::scalar(scale, DType::f64);
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& bucket = buckets_[i];
    for (const Segment& segment : bucket.segments) {
      int64_t begin = std::max(segment.begin, bucket.own.begin);
      int64_t end = std::min(segment.end, bucket.own.end);
      if (begin >= end) continue;
      auto cut = [&](const Array& own) {
        return own.slice(0, begin - bucket.own.begin, end - bucket.own.begin);
      };
      optim::Slice slice{
          bucket.params.slice(0, begin, end), cut(gradients[i]), {}, segment.weight_decay};
      for (const Array& state : bucket.state) slice.state.push_back(cut(state));
      optimizer_.update(slice, grad_scale, lr, steps_done_ + 1);
    }
  }
}

void TrainStep::gather_parameters() const {
  if (options_.strategy == Strategy::ddp) return;
  std::vector<Work> works;
  for (const Bucket& bucket : buckets_) {
    std::vector<Array> parts = cut_into_shards(bucket.params, comm_.size());
    works.push_back(comm_.all_gather(parts[static_cast<size_t>(comm_.rank())], parts));
  }
  for (const Work& work : works) work.wait();
}

}  // namespace tessera
