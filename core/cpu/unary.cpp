#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/unary.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/cpu.h"
#include "core/cpu/elementwise-inl.h"
#include "core/cpu/math-inl.h"
#include "core/cpu/strided.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

template <class Formula, class T>
void unary_rows(const Array& x, const Array& out) {
  map_rows<T, 1>({&x, &out},
                 [](VectorMath<T> m, const Vec<T>* in) { return Formula::apply(m, in[0]); });
}

template <class T>
void unary_typed(UnaryOp op, const Array& x, const Array& out) {
  switch (op) {
    case UnaryOp::neg: return unary_rows<formulas::Neg, T>(x, out);
    case UnaryOp::abs: return unary_rows<formulas::Abs, T>(x, out);
    case UnaryOp::sign: return unary_rows<formulas::Sign, T>(x, out);
    case UnaryOp::square: return unary_rows<formulas::Square, T>(x, out);
    case UnaryOp::sqrt: return unary_rows<formulas::Sqrt, T>(x, out);
    case UnaryOp::exp: return unary_rows<formulas::Exp, T>(x, out);
    case UnaryOp::log: return unary_rows<formulas::Log, T>(x, out);
    case UnaryOp::tanh: return unary_rows<formulas::Tanh, T>(x, out);
    case UnaryOp::sigmoid: return unary_rows<formulas::Sigmoid, T>(x, out);
    case UnaryOp::relu: return unary_rows<formulas::Relu, T>(x, out);
    case UnaryOp::gelu: return unary_rows<formulas::Gelu, T>(x, out);
    case UnaryOp::reciprocal: return unary_rows<formulas::Reciprocal, T>(x, out);
  }
}

void run_unary(UnaryOp op, const Array& x, const Array& out) {
  visit_f32_f64(x.dtype(), "unary",
                [&](auto tag) { unary_typed<typename decltype(tag)::type>(op, x, out); });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_unary);

namespace {

class Unary final : public UnaryFamily {
 public:
  void run(UnaryOp op, const Array& x, const Array& out) const override {
    HWY_DYNAMIC_DISPATCH(run_unary)(op, x, out);
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
