#include "nn/optim/adamw.h"

#include "core/kernels.h"

namespace tessera::optim {

AdamW::AdamW(std::vector<ParamGroup> groups, Options options)
    : Optimizer(std::move(groups)), options_(options) {
  TESSERA_CHECK(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1,
                "[AdamW] expected betas in [0, 1), got {} and {}", options.beta1, options.beta2);
  TESSERA_CHECK(options.eps > 0, "[AdamW] expected an eps above 0, got {}", options.eps);
}

std::string AdamW::describe() const {
  return fmt::format("adamw, betas {} and {}, eps {}", options_.beta1, options_.beta2,
                     options_.eps);
}

void AdamW::update(const Slice& slice, const Array& grad_scale, double lr, int64_t step) const {
  AdamWArgs args{.lr = lr,
                 .beta1 = options_.beta1,
                 .beta2 = options_.beta2,
                 .eps = options_.eps,
                 .weight_decay = slice.weight_decay,
                 .step = step};
  kernels(slice.param.device())
      .optimizer()
      .adamw(args, slice.param, slice.grad, grad_scale, slice.state[0], slice.state[1]);
}

}  // namespace tessera::optim
