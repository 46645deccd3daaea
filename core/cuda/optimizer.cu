#include "core/cuda/families.h"
#include "core/cuda/math.cuh"
#include "core/cuda/strided.cuh"
#include "core/kernels/optimizer.h"

namespace tessera::cuda {

namespace update_rules {
#define TESSERA_FUNCTION __host__ __device__ inline
#include "core/update_rules.inc"
#undef TESSERA_FUNCTION
}  // namespace update_rules

template <class T>
struct RuleStates {
  T* of[UpdateArgs::kMaxStates];
};
template <class T>
struct RuleFactors {
  T of[UpdateArgs::kMaxFactors];
};

template <class Rule, class T>
__global__ void update_elements(int64_t count, T* param, const T* grad, const double* grad_scale,
                                const bool* when, RuleStates<T> states, RuleFactors<T> factors) {
  if (when && !*when) return;
  const T scale = static_cast<T>(*grad_scale);
  for (int64_t i = global_thread(); i < count; i += num_threads_in_grid()) {
    T value = param[i];
    T state[Rule::kStates + 1];
    for (int k = 0; k < Rule::kStates; ++k) state[k] = states.of[k][i];
    Rule::apply(ScalarMath<T>(), value, grad[i] * scale, state, factors.of);
    for (int k = 0; k < Rule::kStates; ++k) states.of[k][i] = state[k];
    param[i] = value;
  }
}

namespace {

template <class Rule, class T>
void update_typed(const UpdateArgs& args, const Array& param, const Array& grad,
                  const Array& grad_scale, std::span<const Array> states) {
  int index = param.device().index;
  DeviceGuard device(index);
  RuleStates<T> state{};
  for (size_t k = 0; k < states.size(); ++k) state.of[k] = device_data<T>(states[k]);
  RuleFactors<T> factors{};
  for (size_t k = 0; k < args.factors.size(); ++k) factors.of[k] = static_cast<T>(args.factors[k]);
  launch(update_elements<Rule, T>, blocks_for(param.numel()), kBlock, current_stream(index),
         param.numel(), device_data<T>(param), device_data<const T>(grad),
         device_data<const double>(grad_scale),
         args.when.defined() ? device_data<const bool>(args.when) : nullptr, state, factors);
}

class Optimizer final : public OptimizerFamily {
 public:
  void update(const UpdateArgs& args, const Array& param, const Array& grad,
              const Array& grad_scale, std::span<const Array> states) const override {
    if (param.numel() == 0) return;
    bool known = update_rules::visit_update_rule(args.rule, [&](auto rule) {
      using Rule = decltype(rule);
      TESSERA_ASSERT(states.size() == Rule::kStates);
      visit_f32_f64(param.dtype(), "optimizer", [&](auto tag) {
        update_typed<Rule, typename decltype(tag)::type>(args, param, grad, grad_scale, states);
      });
    });
    TESSERA_CHECK(known, "[optimizer] there is no rule '{}' in core/update_rules.inc", args.rule);
  }
};

}  // namespace

const OptimizerFamily& optimizer_family() {
  static const Optimizer family;
  return family;
}

}  // namespace tessera::cuda
