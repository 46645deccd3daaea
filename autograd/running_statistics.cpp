#include "autograd/running_statistics.h"

#include "autograd/checkpoint.h"
#include "autograd/context.h"
#include "autograd/ops/arithmetic.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"

namespace tessera {

namespace {

// Whether it moves now: not in a forward that runs again, nor where observations are listed.
bool moves_now(const Observation& observation) {
  const auto& recomputation = context().recomputation;
  if (recomputation && recomputation->running_again()) return false;
  if (!context().observations) return true;
  context().observations->push_back(observation);
  return false;
}

}  // namespace

void observe(const Observation& observation) {
  if (!moves_now(observation)) return;
  const NoGrad no_grad;
  const Array& value = observation.value;
  Tensor old(observation.running.to(value.dtype()));
  Tensor moved =
      affine(old, 1 - observation.momentum, 0) + affine(Tensor(value), observation.momentum, 0);
  observation.running.copy_(moved.data());
}

void observe_batch(const Array& counter) {
  if (moves_now({counter, Array(), 0, 1})) count_up(counter);
}

void count_up(const Array& counter) {
  Array one = Array::full(counter.shape(), 1, counter.dtype(), counter.device());
  kernels(counter.device()).binary().run(BinaryOp::add, counter, one, counter);
}

Observations::Observations() : before_(context().observations) { context().observations = &list_; }

Observations::~Observations() { context().observations = before_; }

}  // namespace tessera
