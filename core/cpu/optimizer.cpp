#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/optimizer.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/math-inl.h"
#include "core/kernels/optimizer.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

namespace update_rules {
#define TESSERA_FUNCTION HWY_INLINE
#include "core/update_rules.inc"
#undef TESSERA_FUNCTION
}  // namespace update_rules

template <class Rule, class T>
void update_typed(const UpdateArgs& args, const Array& param, const Array& grad, double grad_scale,
                  std::span<const Array> states) {
  constexpr int kStates = Rule::kStates;
  parallel_tiles(param.numel(), 16384, [&](int64_t begin, int64_t end) HWY_ATTR {
    const VectorMath<T> m;
    Vec<T> factors[Rule::kFactors];
    for (size_t k = 0; k < Rule::kFactors; ++k) factors[k] = m.constant(args.factors[k]);
    const Vec<T> scale = m.constant(grad_scale);
    T* p = param.data<T>() + begin;
    const T* dp = grad.data<T>() + begin;
    T* s[kStates + 1];
    for (size_t k = 0; k < kStates; ++k) s[k] = states[k].template data<T>() + begin;
    for_each_vector<T>(static_cast<size_t>(end - begin), [&](size_t i, size_t lanes) HWY_ATTR {
      Vec<T> g = load_lanes(dp + i, lanes) * scale;
      Vec<T> value = load_lanes(p + i, lanes);
      Vec<T> state[kStates + 1];
      for (int k = 0; k < kStates; ++k) state[k] = load_lanes(s[k] + i, lanes);
      Rule::apply(m, value, g, state, factors);
      for (int k = 0; k < kStates; ++k) store_lanes(state[k], lanes, s[k] + i);
      store_lanes(value, lanes, p + i);
    });
  });
}

void run_update(const UpdateArgs& args, const Array& param, const Array& grad, double grad_scale,
                std::span<const Array> states) {
  bool known = update_rules::visit_update_rule(args.rule, [&](auto rule) {
    using Rule = decltype(rule);
    TESSERA_ASSERT(states.size() == Rule::kStates);
    visit_f32_f64(param.dtype(), "optimizer", [&](auto tag) {
      update_typed<Rule, typename decltype(tag)::type>(args, param, grad, grad_scale, states);
    });
  });
  TESSERA_CHECK(known, "[optimizer] there is no rule '{}' in core/update_rules.inc", args.rule);
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_update);

namespace {

class Optimizer final : public OptimizerFamily {
 public:
  void update(const UpdateArgs& args, const Array& param, const Array& grad,
              const Array& grad_scale, std::span<const Array> states) const override {
    if (args.when.defined() && !args.when.item<bool>()) return;
    HWY_DYNAMIC_DISPATCH(run_update)(args, param, grad, grad_scale.item<double>(), states);
  }
};

}  // namespace

const OptimizerFamily& optimizer_family() {
  static const Optimizer family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
