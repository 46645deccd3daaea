#include "nn/optim/update_rule.h"

#include "core/kernels.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/where.h"

namespace tessera::optim {

void write_where(const Array& when, const std::vector<Array>& arrays,
                 const std::function<void(const std::vector<Array>&)>& write) {
  if (!when.defined()) return write(arrays);
  std::vector<Array> own;
  for (const Array& array : arrays) own.push_back(array.clone());
  write(own);
  for (size_t i = 0; i < own.size(); ++i) {
    const Array& to = arrays[i];
    kernels(to.device()).where().run(when.expand(to.shape()), own[i], to, to);
  }
}

void write_slice_where(const Array& when, const Slice& slice,
                       const std::function<void(const Slice&)>& write) {
  if (!when.defined()) return write(slice);
  std::vector<Array> arrays{slice.param};
  arrays.insert(arrays.end(), slice.state.begin(), slice.state.end());
  write_where(when, arrays, [&](const std::vector<Array>& own) {
    write({own[0], slice.grad, {own.begin() + 1, own.end()}});
  });
}

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
