#include "nn/optim/update_rule.h"

#include "core/kernels.h"
#include "core/kernels/optimizer.h"

namespace tessera::optim {

std::vector<StateInfo> ElementwiseRule::states(const Dims& shape) const {
  std::vector<StateInfo> out;
  for (std::string& name : state_names()) out.push_back({std::move(name), shape});
  return out;
}

void ElementwiseRule::update(const Slice& slice, const Array& grad_scale,
                             const UpdateStep& step) const {
  UpdateArgs args{formula(), factors(step), step.when};
  kernels(slice.param.device())
      .optimizer()
      .update(args, slice.param, slice.grad, grad_scale, slice.state);
}

}  // namespace tessera::optim
