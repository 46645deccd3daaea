#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/binary.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/loops.h"
#include "core/cpu/math-inl.h"
#include "core/kernels/binary.h"
#include "core/promotion.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

template <class Formula, class T>
void binary_loop(const void* const* in, void* out, size_t count, const double*) {
  const T* a = static_cast<const T*>(in[0]);
  const T* b = static_cast<const T*>(in[1]);
  T* y = static_cast<T*>(out);
  const VectorMath<T> m;
  for_each_vector<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    store_lanes(Formula::apply(m, load_lanes(a + i, lanes), load_lanes(b + i, lanes)), lanes,
                y + i);
  });
}

template <class T>
void affine_loop(const void* const* in, void* out, size_t count, const double* params) {
  const T* a = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  const VectorMath<T> m;
  const Vec<T> scale = m.constant(params[0]);
  const Vec<T> shift = m.constant(params[1]);
  for_each_vector<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    store_lanes(m.fma(load_lanes(a + i, lanes), scale, shift), lanes, y + i);
  });
}

// Null where op is computed element by element.
Loop vector_binary(BinaryOp op, bool wide) {
  return formulas::visit_formula<Loop>(op, [&](auto row) -> Loop {
    using Row = decltype(row);
    if constexpr (Row::kKind != FormulaKind::vector) return nullptr;
    else if (wide) return binary_loop<typename Row::Formula, double>;
    else return binary_loop<typename Row::Formula, float>;
  });
}

Loop vector_affine(bool wide) { return wide ? affine_loop<double> : affine_loop<float>; }

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(vector_binary);
HWY_EXPORT(vector_affine);

namespace {

class Binary final : public BinaryFamily {
 public:
  void run(BinaryOp op, const Array& a, const Array& b, const Array& out) const override {
    bool to_bool = gives_bool(op);
    DType compute = compute_dtype(to_bool ? promote_types(a.dtype(), b.dtype()) : out.dtype());
    Loop loop = nullptr;
    if (compute != DType::i64) {
      loop = HWY_DYNAMIC_DISPATCH(vector_binary)(op, compute == DType::f64);
    }
    if (!loop) loop = scalar_loop(op, compute);
    TESSERA_CHECK(loop, "[binary] expected a dtype of which this function is defined, got {}",
                  out.dtype());
    run_loop<2>(loop, {&a, &b}, {compute, compute}, to_bool ? DType::boolean : compute, out,
                nullptr);
  }
  void affine(const Array& a, double scale, double shift, const Array& out) const override {
    TESSERA_CHECK(is_floating(out.dtype()), "[affine] expected a floating dtype, got {}",
                  out.dtype());
    DType compute = compute_dtype(out.dtype());
    double params[] = {scale, shift};
    Loop loop = HWY_DYNAMIC_DISPATCH(vector_affine)(compute == DType::f64);
    run_loop<1>(loop, {&a}, {compute}, compute, out, params);
  }
};

}  // namespace

const BinaryFamily& binary_family() {
  static const Binary family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
