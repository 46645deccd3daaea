#include "core/cuda/backend.h"
#include "core/cuda/elementwise.cuh"
#include "core/promotion.h"

namespace tessera::cuda {

template <class Formula, class T>
struct BinaryFormula {
  __device__ auto operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) return Formula::integer(a, b);
    else return Formula::apply(ScalarMath<T>(), a, b);
  }
};

template <class T>
struct AffineFormula {
  T scale;
  T shift;
  __device__ T operator()(T a) const { return ScalarMath<T>::fma(a, scale, shift); }
};

// False where the formula is not defined for T on a device.
template <class Formula, class T>
bool run_formula(const Array& a, const Array& b, const Array& out) {
  constexpr bool kDefined = std::is_integral_v<T>
                                ? formulas::kTakesIntegers<Formula, T, T>
                                : formulas::kTakesFloats<Formula, ScalarMath<T>, T, T>;
  if constexpr (kDefined) {
    using Fn = BinaryFormula<Formula, T>;
    using Out = decltype(std::declval<Fn>()(T(), T()));
    launch_two<T, Out>(a, b, out, Fn());
  }
  return kDefined;
}

namespace {

// Division and powers of integers report what is not defined (a zero, a negative power), which a
// kernel cannot do without making the host wait. So the CPU computes them.
bool on_host_only(BinaryOp op) {
  return formulas::visit_formula<bool>(
      op, [](auto row) { return formulas::kOnHostOnly<typename decltype(row)::Formula>; });
}

void run_on_cpu(BinaryOp op, const Array& a, const Array& b, const Array& out) {
  Array result = Array::empty(out.shape(), out.dtype());
  kernels({}).binary().run(op, a.to(Device{}), b.to(Device{}), result);
  out.copy_(result);
}

class Binary final : public BinaryFamily {
 public:
  void run(BinaryOp op, const Array& a, const Array& b, const Array& out) const override {
    if (out.numel() == 0) return;
    bool to_bool = gives_bool(op);
    DType compute = compute_dtype(to_bool ? promote_types(a.dtype(), b.dtype()) : out.dtype());
    if (compute == DType::i64 && on_host_only(op)) return run_on_cpu(op, a, b, out);
    Array x = a.to(compute);
    Array y = b.to(compute);
    with_result(out, to_bool ? DType::boolean : compute, [&](const Array& result) {
      bool defined = false;
      visit_compute(compute, [&](auto tag) {
        defined = formulas::visit_formula<bool>(op, [&](auto row) {
          using Formula = typename decltype(row)::Formula;
          return run_formula<Formula, typename decltype(tag)::type>(x, y, result);
        });
      });
      TESSERA_CHECK(defined, "[binary] expected a dtype of which this function is defined, got {}",
                    out.dtype());
    });
  }

  void affine(const Array& a, double scale, double shift, const Array& out) const override {
    TESSERA_CHECK(is_floating(out.dtype()), "[affine] expected a floating dtype, got {}",
                  out.dtype());
    if (out.numel() == 0) return;
    DType compute = compute_dtype(out.dtype());
    Array x = a.to(compute);
    with_result(out, compute, [&](const Array& result) {
      visit_f32_f64(compute, "affine", [&](auto tag) {
        using T = typename decltype(tag)::type;
        launch_one<T, T>(x, result, AffineFormula<T>{static_cast<T>(scale), static_cast<T>(shift)});
      });
    });
  }
};

}  // namespace

const BinaryFamily& binary_family() {
  static const Binary family;
  return family;
}

}  // namespace tessera::cuda
