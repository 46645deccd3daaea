#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/binary.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/cpu.h"
#include "core/cpu/elementwise-inl.h"
#include "core/cpu/math-inl.h"
#include "core/cpu/strided.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

template <class Formula, class T>
void binary_rows(const Array& a, const Array& b, const Array& out) {
  map_rows<T, 2>({&a, &b, &out},
                 [](VectorMath<T> m, const Vec<T>* in) { return Formula::apply(m, in[0], in[1]); });
}

template <class T>
void binary_typed(BinaryOp op, const Array& a, const Array& b, const Array& out) {
  switch (op) {
    case BinaryOp::add: return binary_rows<formulas::Add, T>(a, b, out);
    case BinaryOp::sub: return binary_rows<formulas::Sub, T>(a, b, out);
    case BinaryOp::mul: return binary_rows<formulas::Mul, T>(a, b, out);
    case BinaryOp::div: return binary_rows<formulas::Div, T>(a, b, out);
    case BinaryOp::maximum: return binary_rows<formulas::Maximum, T>(a, b, out);
    case BinaryOp::minimum: return binary_rows<formulas::Minimum, T>(a, b, out);
    case BinaryOp::relu_grad: return binary_rows<formulas::ReluGrad, T>(a, b, out);
    case BinaryOp::gelu_grad: return binary_rows<formulas::GeluGrad, T>(a, b, out);
    case BinaryOp::tanh_grad: return binary_rows<formulas::TanhGrad, T>(a, b, out);
    case BinaryOp::sigmoid_grad: return binary_rows<formulas::SigmoidGrad, T>(a, b, out);
  }
}

template <class T>
void affine_typed(const Array& a, double scale, double shift, const Array& out) {
  map_rows<T, 1>({&a, &out}, [=](VectorMath<T> m, const Vec<T>* in) {
    return m.fma(in[0], m.constant(scale), m.constant(shift));
  });
}

void run_binary(BinaryOp op, const Array& a, const Array& b, const Array& out) {
  visit_f32_f64(out.dtype(), "binary",
                [&](auto tag) { binary_typed<typename decltype(tag)::type>(op, a, b, out); });
}

void run_affine(const Array& a, double scale, double shift, const Array& out) {
  visit_f32_f64(out.dtype(), "affine", [&](auto tag) {
    affine_typed<typename decltype(tag)::type>(a, scale, shift, out);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_binary);
HWY_EXPORT(run_affine);

namespace {

class Binary final : public BinaryFamily {
 public:
  void run(BinaryOp op, const Array& a, const Array& b, const Array& out) const override {
    HWY_DYNAMIC_DISPATCH(run_binary)(op, a, b, out);
  }
  void affine(const Array& a, double scale, double shift, const Array& out) const override {
    HWY_DYNAMIC_DISPATCH(run_affine)(a, scale, shift, out);
  }
};

}  // namespace

const BinaryFamily& binary_family() {
  static const Binary family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
