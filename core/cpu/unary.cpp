#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/unary.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/loops.h"
#include "core/cpu/math-inl.h"
#include "core/kernels/unary.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

template <class Formula, class T>
void unary_loop(const void* const* in, void* out, size_t count, const double* params) {
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  const VectorMath<T> m;
  double p[3] = {};
  if constexpr (!requires { Formula::apply(m, hn::Zero(m.d)); }) std::copy_n(params, 3, p);
  for_each_vector<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    Vec<T> v = load_lanes(x + i, lanes);
    if constexpr (requires { Formula::apply(m, v); }) {
      store_lanes(Formula::apply(m, v), lanes, y + i);
    } else {
      store_lanes(Formula::apply(m, v, p), lanes, y + i);
    }
  });
}

// Null where op is computed element by element.
Loop vector_unary(UnaryOp op, bool wide) {
  return formulas::visit_formula<Loop>(op, [&](auto row) -> Loop {
    using Row = decltype(row);
    if constexpr (Row::kKind != FormulaKind::vector) return nullptr;
    else if (wide) return unary_loop<typename Row::Formula, double>;
    else return unary_loop<typename Row::Formula, float>;
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(vector_unary);

namespace {

class Unary final : public UnaryFamily {
 public:
  void run(UnaryOp op, const Array& x, const Array& out,
           const ElementwiseParams& params) const override {
    DType compute = compute_dtype(gives_bool(op) ? x.dtype() : out.dtype());
    Loop loop = nullptr;
    if (compute != DType::i64) loop = HWY_DYNAMIC_DISPATCH(vector_unary)(op, compute == DType::f64);
    if (!loop) loop = scalar_loop(op, compute);
    TESSERA_CHECK(loop, "[unary] expected a dtype of which this function is defined, got {}",
                  out.dtype());
    run_loop<1>(loop, {&x}, {compute}, gives_bool(op) ? DType::boolean : compute, out,
                params.data());
  }
};

}  // namespace

const UnaryFamily& unary_family() {
  static const Unary family;
  return family;
}

std::string instruction_set() {
  // Better sets have lower bits; the kernels exist for those in HWY_TARGETS.
  int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
