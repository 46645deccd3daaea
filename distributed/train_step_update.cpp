// The second half of a step: norm, clipping and the update.
#include <algorithm>
#include <array>
#include <cmath>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/creation.h"
#include "autograd/ops/where.h"
#include "core/kernels.h"
#include "core/kernels/check.h"
#include "core/kernels/unary.h"
#include "distributed/gradient_norm.h"
#include "distributed/train_step.h"

namespace tessera {
namespace {

// Whether its rules can be told by the device that nothing may change.
bool heeds_when(const Bucket& bucket) {
  return !bucket.trained ||
         std::all_of(bucket.segments.begin(), bucket.segments.end(),
                     [](const Segment& segment) { return segment.rule->heeds_when(); });
}

// 0-d tensors of one device as numbers for LateNumbers.
LateRead read_row(const std::array<Tensor, LateNumbers::kRow>& numbers) {
  Array row = Array::empty({LateNumbers::kRow}, DType::f64, numbers[0].device());
  for (size_t i = 0; i < numbers.size(); ++i) {
    row.select(0, static_cast<int64_t>(i)).copy_(numbers[i].data());
  }
  return row.storage()->backend().read_later(row.device_raw(), row.nbytes());
}

}  // namespace

StepResult TrainStep::apply_collective(double lr, StepGradients gradients) {
  Array norm = gradient_norm(buckets_, gradients.sums, grid_);
  if (device().has_elements() && !device().host_reads()) {
    return apply_on_device(lr, gradients, norm);
  }
  StepNumbers numbers{.loss = gradients.loss};
  numbers.grad_norm = on_meta() ? 0 : norm.item<double>() / gradients.weight;
  numbers.finite = std::isfinite(numbers.loss) && std::isfinite(numbers.grad_norm);
  if (numbers.finite) {
    Array clipped = clip_values(gradients, norm);
    bool clip = options_.clip_norm > 0 && !on_meta();
    double length = clip ? clipped.item<double>() / gradients.weight : 0;
    double factor = clip ? std::min(1.0, options_.clip_norm / (length + 1e-6)) : 1.0;
    update(lr, gradients.sums, scale_on_device(factor / gradients.weight));
    gather_parameters();
    ++updates_done_;
    if (!on_meta()) gradients.move_statistics_({});
  }
  if (loss_scale_) loss_scale_->update(numbers.finite);
  ++steps_done_;
  return {numbers, gradients.weight, gradients.stop, gradients.loss_scale};
}

// The same, with numbers that the host has not seen: it reads them later. What must not change
// where they are not finite, or where a kernel met what is wrong, hears of it on the device; the
// host throws the latter when it waits. Which update it is follows from the step before, whose
// numbers the device had before this step's forward.
StepResult TrainStep::apply_on_device(double lr, const StepGradients& gradients,
                                      const Array& norm) {
  NoGrad no_grad;
  settle();
  double weight = gradients.weight;
  Tensor loss = gradients.loss_sum_.defined()
                    ? Tensor(gradients.loss_sum_) / weight
                    : Tensor(Array::scalar(gradients.loss, DType::f64).to(norm.device()));
  Tensor grad_norm = Tensor(norm) / weight;
  Tensor right(Array::empty({}, DType::boolean, norm.device()));
  kernels(norm.device()).check().nothing_wrong(right.data());
  Tensor finite = logical_and(right, logical_and(isfinite(loss), isfinite(grad_norm)));
  Tensor factor = full_like(grad_norm, 1);
  Tensor clipped = Tensor(clip_values(gradients, norm)) / weight;
  if (options_.clip_norm > 0) factor = minimum(options_.clip_norm / (clipped + 1e-6), factor);
  auto late = std::make_shared<LateNumbers>(device(), read_row({loss, grad_norm, finite, right}),
                                            steps_done_);
  bool heeded = std::all_of(buckets_.begin(), buckets_.end(), heeds_when);
  if (heeded || late->get().finite) {
    update(lr, gradients.sums, (factor / weight).data(), heeded ? finite.data() : Array());
    gather_parameters();
  }
  if (looks_later()) gradients.move_statistics_(finite.data());
  else if (late->get().finite) gradients.move_statistics_({});
  late_ = late;
  ++steps_done_;
  return {std::move(late), weight, gradients.stop, gradients.loss_scale};
}

// Clips every element of the sums as clip_value says; the norm by which they are clipped further.
Array TrainStep::clip_values(const StepGradients& gradients, const Array& norm) const {
  if (options_.clip_value == 0) return norm;
  double highest = options_.clip_value * gradients.weight;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (!buckets_[i].trained) continue;
    const Array& sums = gradients.sums[i];
    kernels(sums.device()).unary().run(UnaryOp::clamp, sums, sums, {-highest, highest});
  }
  return options_.clip_norm > 0 ? gradient_norm(buckets_, gradients.sums, grid_) : norm;
}

// On meta it has its value all the same, for optimizers that read it.
Array TrainStep::scale_on_device(double scale) const {
  if (!on_meta()) return Array::scalar(scale, DType::f64).to(buckets_[0].own_params.device());
  auto value = std::make_shared<double>(1);
  auto storage = Storage::wrap(value.get(), sizeof(double), {DeviceType::meta}, [value] {});
  return {std::move(storage), DType::f64, {}, {}, 0};
}

void TrainStep::update_segment(const Segment& segment, const optim::Slice& slice,
                               const Array& grad_scale, optim::UpdateStep step) {
  step.lr *= segment.lr_scale;
  step.weight_decay = segment.weight_decay;
  try {
    segment.rule->update(slice, grad_scale, step);
  } catch (const Error& error) {
    // It may need to know elements, which meta has not.
    if (!on_meta()) throw;
    update_left_out_ = error.what();
  }
}

void TrainStep::update(double lr, const std::vector<Array>& gradients, const Array& grad_scale,
                       const Array& when) {
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& bucket = buckets_[i];
    if (!bucket.trained) continue;
    for (const Segment& segment : bucket.segments) {
      Interval own = bucket.own_interval_of(segment);
      if (own.size() == 0) continue;
      optim::Slice slice{slice_of(bucket.master, own), slice_of(gradients[i], own), segment.state};
      if (bucket.rule_cut() == optim::Cut::whole_parameter) {
        for (Array* array : {&slice.param, &slice.grad}) {
          *array = array->view(segment.parameter.shape());
        }
      }
      update_segment(segment, slice, grad_scale, {lr, 0, updates_done_ + 1, when});
    }
    if (bucket.master.dtype() != bucket.params.dtype()) bucket.own_params.copy_(bucket.master);
    bucket.params.storage()->mark_changed("TrainStep::run");
  }
}

void TrainStep::gather_parameters(bool frozen_too) const {
  const Levels& owners = grid_.owners();
  if (owners.size() == 1) return;
  std::vector<Gather> gathers;
  for (const Bucket& bucket : buckets_) {
    if (bucket.sharded || !(bucket.trained || frozen_too)) continue;
    gathers.emplace_back(owners, bucket.cut, bucket.own_params, bucket.params);
  }
  for (Gather& gather : gathers) gather.step();
  for (Gather& gather : gathers) gather.wait();
}

bool TrainStep::has_points() const {
  return std::any_of(buckets_.begin(), buckets_.end(),
                     [](const Bucket& bucket) { return bucket.evaluation_point().has_value(); });
}

// The masters become what they are to be used at, or again what is trained. What is exchanged is
// copied whole: not a bit of it changes.
void TrainStep::exchange_points() {
  for (const Bucket& bucket : buckets_) {
    if (!bucket.evaluation_point()) continue;
    Array before = bucket.master.clone();
    bucket.master.copy_(bucket.meant());
    bucket.meant().copy_(before);
  }
}

void TrainStep::take_masters(const char* op, bool gather) {
  for (const Bucket& bucket : buckets_) {
    if (bucket.master.storage() != bucket.own_params.storage()) {
      bucket.own_params.copy_(bucket.master);
    }
    bucket.params.storage()->mark_changed(op);
  }
  if (gather) gather_parameters(true);
}

}  // namespace tessera
