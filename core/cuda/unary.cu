#include "core/cuda/elementwise.cuh"
#include "core/cuda/families.h"
#include "core/kernels/unary.h"

namespace tessera::cuda {

template <class Formula, class T>
struct UnaryFormula {
  double params[3];
  __device__ auto operator()(T x) const {
    const ScalarMath<T> m;
    if constexpr (std::is_integral_v<T>) return Formula::integer(x);
    else if constexpr (requires { Formula::apply(m, x); }) return Formula::apply(m, x);
    else return Formula::apply(m, x, params);
  }
};

// False where the formula is not defined for T.
template <class Formula, class T>
bool run_formula(const Array& x, const Array& out, const ElementwiseParams& params) {
  constexpr bool kDefined = std::is_integral_v<T>
                                ? formulas::kTakesIntegers<Formula, T>
                                : formulas::kTakesFloats<Formula, ScalarMath<T>, T>;
  if constexpr (kDefined) {
    using Fn = UnaryFormula<Formula, T>;
    using Out = decltype(std::declval<Fn>()(T()));
    launch_one<T, Out>(x, out, Fn{{params[0], params[1], params[2]}});
  }
  return kDefined;
}

namespace {

class Unary final : public UnaryFamily {
 public:
  void run(UnaryOp op, const Array& x, const Array& out,
           const ElementwiseParams& params) const override {
    if (out.numel() == 0) return;
    bool to_bool = gives_bool(op);
    DType compute = compute_dtype(to_bool ? x.dtype() : out.dtype());
    Array in = x.to(compute);
    with_result(out, to_bool ? DType::boolean : compute, [&](const Array& result) {
      bool defined = false;
      visit_compute(compute, [&](auto tag) {
        defined = formulas::visit_formula<bool>(op, [&](auto row) {
          using Formula = typename decltype(row)::Formula;
          return run_formula<Formula, typename decltype(tag)::type>(in, result, params);
        });
      });
      TESSERA_CHECK(defined, "[unary] expected a dtype of which this function is defined, got {}",
                    out.dtype());
    });
  }
};

}  // namespace

const UnaryFamily& unary_family() {
  static const Unary family;
  return family;
}

}  // namespace tessera::cuda
