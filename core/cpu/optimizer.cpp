#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/optimizer.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/cpu.h"
#include "core/cpu/math-inl.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

template <class T>
struct AdamWFactors {
  Vec<T> decay, step_size, rsqrt_correction2, eps, beta1, rest1, beta2, rest2, grad_scale;
};

template <class T>
AdamWFactors<T> adamw_factors(const AdamWArgs& args, double grad_scale) {
  auto set = [](double value)
                 HWY_ATTR { return hn::Set(hn::ScalableTag<T>(), static_cast<T>(value)); };
  auto t = static_cast<double>(args.step);
  double correction1 = 1 - std::pow(args.beta1, t);
  double correction2 = 1 - std::pow(args.beta2, t);
  return {set(1 - args.lr * args.weight_decay),
          set(args.lr / correction1),
          set(1 / std::sqrt(correction2)),
          set(args.eps),
          set(args.beta1),
          set(1 - args.beta1),
          set(args.beta2),
          set(1 - args.beta2),
          set(grad_scale)};
}

template <class T>
void adamw_typed(const AdamWArgs& args, const Array& param, const Array& grad, double grad_scale,
                 const Array& m, const Array& v) {
  parallel_tiles(param.numel(), 16384, [&](int64_t begin, int64_t end) HWY_ATTR {
    const AdamWFactors<T> f = adamw_factors<T>(args, grad_scale);
    T* p = param.data<T>() + begin;
    const T* dp = grad.data<T>() + begin;
    T* first = m.data<T>() + begin;
    T* second = v.data<T>() + begin;
    for_each_vector<T>(static_cast<size_t>(end - begin), [&](size_t i, size_t lanes) HWY_ATTR {
      Vec<T> g = load_lanes(dp + i, lanes) * f.grad_scale;
      Vec<T> mi = hn::MulAdd(f.rest1, g, f.beta1 * load_lanes(first + i, lanes));
      Vec<T> vi = hn::MulAdd(f.rest2, g * g, f.beta2 * load_lanes(second + i, lanes));
      Vec<T> denominator = hn::MulAdd(hn::Sqrt(vi), f.rsqrt_correction2, f.eps);
      Vec<T> pi = load_lanes(p + i, lanes) * f.decay - f.step_size * (mi / denominator);
      store_lanes(mi, lanes, first + i);
      store_lanes(vi, lanes, second + i);
      store_lanes(pi, lanes, p + i);
    });
  });
}

void run_adamw(const AdamWArgs& args, const Array& param, const Array& grad, double grad_scale,
               const Array& m, const Array& v) {
  visit_f32_f64(param.dtype(), "adamw", [&](auto tag) {
    adamw_typed<typename decltype(tag)::type>(args, param, grad, grad_scale, m, v);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_adamw);

namespace {

class Optimizer final : public OptimizerFamily {
 public:
  void adamw(const AdamWArgs& args, const Array& param, const Array& grad, const Array& grad_scale,
             const Array& m, const Array& v) const override {
    HWY_DYNAMIC_DISPATCH(run_adamw)(args, param, grad, grad_scale.item<double>(), m, v);
  }
};

}  // namespace

const OptimizerFamily& optimizer_family() {
  static const Optimizer family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
