#include "distributed/train_step.h"

#include <array>
#include <cmath>
#include <cstring>

#include "autograd/context.h"
#include "core/kernels.h"
#include "core/tree.h"
#include "distributed/round_sum.h"

namespace tessera {
// Sums every bucket's gradients, as the strategy has it.
class TrainStep::GradientSums {
 public:
  GradientSums(const TrainStep& step) : step_(step) {
    const StepOptions& options = step.options_;
    for (const Bucket& bucket : step.buckets_) {
      if (options.strategy == Strategy::zero2) {
        rounds_.emplace_back(options.leaves, bucket.numel, options.reduction, step.comm_);
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
      buckets_(make_buckets(module, optimizer, options.bucket_bytes, options.strategy, comm)) {
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
  std::vector<Control> controls;
  std::vector<int64_t> leaves =
      leaves_of_rank(options_.strategy, options_.leaves, comm_.rank(), comm_.size());
  int64_t rounds = (options_.leaves + comm_.size() - 1) / comm_.size();
  for (size_t round = 0; round < static_cast<size_t>(rounds); ++round) {
    bool has_leaf = round < leaves.size();
    if (has_leaf) {
      controls.push_back(run_leaf(loss_of_leaf, leaves[round]));
      controls.back().stop = stop_requested ? 1 : 0;
    }
    sums.add(has_leaf);
  }

  Control totals = sum_controls(controls);
  std::vector<Array> gradients = sums.reduce();
  StepResult result;
  result.weight = totals.weight;
  TESSERA_CHECK(result.weight > 0, "[TrainStep] the losses of a step have no weight");
  result.loss = totals.loss / result.weight;
  result.stop = totals.stop > 0;
  result.grad_norm = norm_of(gradients) / result.weight;
  result.finite = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
  if (result.finite) {
    bool clip = options_.clip_norm > 0;
    double factor = clip ? std::min(1.0, options_.clip_norm / (result.grad_norm + 1e-6)) : 1.0;
    update(lr, gradients, factor / result.weight);
    gather_parameters();
  }
  ++steps_done_;
  return result;
}

TrainStep::Control TrainStep::run_leaf(const LossOfLeaf& loss_of_leaf, int64_t leaf) const {
  context().random.begin(options_.seed, static_cast<uint64_t>(steps_done_),
                         static_cast<uint64_t>(leaf));
  nn::Loss loss = loss_of_leaf({leaf, steps_done_});
  loss.sum.backward();
  return {loss.sum.item<double>(), loss.weight, 0};
}

// Every rank gets all leaves' values and adds them in the tree over leaves.
TrainStep::Control TrainStep::sum_controls(const std::vector<Control>& own) const {
  constexpr int64_t kValues = sizeof(Control) / sizeof(double);
  std::vector<Array> parts;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    auto count = static_cast<int64_t>(
        leaves_of_rank(options_.strategy, options_.leaves, rank, comm_.size()).size());
    parts.push_back(Array::empty({count, kValues}, DType::f64));
  }
  const Array& mine = parts[static_cast<size_t>(comm_.rank())];
  std::memcpy(mine.raw(), own.data(), mine.nbytes());
  comm_.all_gather(mine, parts).wait();

  std::array<std::vector<double>, kValues> columns;
  for (auto& column : columns) column.resize(static_cast<size_t>(options_.leaves));
  for (int rank = 0; rank < comm_.size(); ++rank) {
    const auto* row = parts[static_cast<size_t>(rank)].data<double>();
    for (int64_t leaf : leaves_of_rank(options_.strategy, options_.leaves, rank, comm_.size())) {
      for (auto& column : columns) column[static_cast<size_t>(leaf)] = *row++;
    }
  }
  return {tree_sum(columns[0]), tree_sum(columns[1]), tree_sum(columns[2])};
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
    std::vector<Array> parts;
    for (Run shard : shards_of(bucket.numel, comm_.size())) {
      parts.push_back(bucket.params.slice(0, shard.begin, shard.end));
    }
    works.push_back(comm_.all_gather(parts[static_cast<size_t>(comm_.rank())], parts));
  }
  for (const Work& work : works) work.wait();
}

}  // namespace tessera
