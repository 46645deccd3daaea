#include "distributed/train_step.h"

#include <cmath>

#include "autograd/context.h"
#include "core/kernels.h"

namespace tessera {
namespace {

// What ranks tell each other every step, summed over leaves like the gradients.
enum Control : int64_t { kLoss, kWeight, kStop, kControlSize };

}  // namespace

TrainStep::TrainStep(const nn::Module& module, const optim::Optimizer& optimizer,
                     Communicator& comm, const StepOptions& options)
    : optimizer_(optimizer),
      comm_(comm),
      options_(options),
      buckets_(make_buckets(module, optimizer, options.bucket_bytes)) {
  TESSERA_CHECK(!buckets_.empty(), "[TrainStep] the model has no parameters to train");
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
  LeafSum control(options_.leaves, options_.reduction, comm_);
  std::vector<LeafSum> sums;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    sums.emplace_back(options_.leaves, options_.reduction, comm_);
  }
  run_leaves(loss_of_leaf, stop_requested, control, sums);

  auto totals = control.reduce().to_vector<double>();
  std::vector<Array> gradients(sums.size());
  // The last bucket's gradients are complete first, since backward runs from the output.
  for (size_t i = sums.size(); i-- > 0;) gradients[i] = sums[i].reduce();

  StepResult result;
  result.weight = totals[kWeight];
  TESSERA_CHECK(result.weight > 0, "[TrainStep] the losses of a step have no weight");
  result.loss = totals[kLoss] / result.weight;
  result.stop = totals[kStop] > 0;
  result.grad_norm = norm_of(gradients) / result.weight;
  result.finite = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
  if (result.finite) {
    bool clip = options_.clip_norm > 0;
    double factor = clip ? std::min(1.0, options_.clip_norm / (result.grad_norm + 1e-6)) : 1.0;
    update(lr, gradients, factor / result.weight);
  }
  ++steps_done_;
  return result;
}

void TrainStep::run_leaves(const LossOfLeaf& loss_of_leaf, bool stop_requested, LeafSum& control,
                           std::vector<LeafSum>& gradients) {
  Run run = leaves_of_rank(options_.leaves, comm_.rank(), comm_.size());
  for (int64_t leaf = run.begin; leaf < run.end; ++leaf) {
    context().random.begin(options_.seed, static_cast<uint64_t>(steps_done_),
                           static_cast<uint64_t>(leaf));
    nn::Loss loss = loss_of_leaf({leaf, steps_done_});
    loss.sum.backward();
    std::vector<double> values(kControlSize);
    values[kLoss] = loss.sum.item<double>();
    values[kWeight] = loss.weight;
    values[kStop] = stop_requested ? 1 : 0;
    control.add(Array::from(values, {kControlSize}));
    for (size_t i = 0; i < buckets_.size(); ++i) gradients[i].add(take_gradients(buckets_[i]));
  }
}

// One sum of squares per chunk, folded over all chunks of all parameters in one tree: how the
// parameters are cut into buckets changes nothing.
double TrainStep::norm_of(const std::vector<Array>& gradients) const {
  std::vector<double> chunks;
  for (const Array& gradient : gradients) {
    Array sums = Array::empty({gradient.numel() / kChunkElements}, DType::f64);
    kernels(gradient.device()).reduce().chunk_square_sums(gradient, sums);
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
      auto cut = [&](const Array& x) { return x.slice(0, segment.begin, segment.end); };
      optim::Slice slice{cut(bucket.params), cut(gradients[i]), {}, segment.weight_decay};
      for (const Array& state : bucket.state) slice.state.push_back(cut(state));
      optimizer_.update(slice, grad_scale, lr, steps_done_ + 1);
    }
  }
}

}  // namespace tessera
