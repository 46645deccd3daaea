#include "nn/optim/ema.h"

#include "core/kernels.h"

namespace tessera::optim {

Ema::Ema(std::unique_ptr<Optimizer> inner, double decay)
    : Optimizer(inner->groups()), inner_(std::move(inner)), decay_(decay) {
  TESSERA_CHECK(decay > 0 && decay < 1, "[Ema] expected a decay in (0, 1), got {}", decay);
}

std::vector<std::string> Ema::state_names() const {
  std::vector<std::string> names = inner_->state_names();
  names.emplace_back(kState);
  return names;
}

std::string Ema::describe() const { return fmt::format("{}, ema {}", inner_->describe(), decay_); }

void Ema::update(const Slice& slice, const Array& grad_scale, double lr, int64_t step) const {
  const Array& ema = slice.state.back();
  if (step == 1) ema.copy_(slice.param);
  Slice rest = slice;
  rest.state.pop_back();
  inner_->update(rest, grad_scale, lr, step);
  const BinaryFamily& binary = kernels(ema.device()).binary();
  Array share = Array::empty(ema.shape(), ema.dtype(), ema.device());
  binary.affine(slice.param, 1 - decay_, 0, share);
  binary.affine(ema, decay_, 0, ema);
  binary.run(BinaryOp::add, ema, share, ema);
}

}  // namespace tessera::optim
