#include "core/cuda/content_errors.cuh"
#include "core/cuda/elementwise.cuh"
#include "core/cuda/families.h"
#include "core/kernels/binary.h"
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

// out[i] = Formula::integer(a[i], b[i]), and 0 where the formula refuses these.
template <class Formula>
__global__ void map_integers(Strided<3> loop, const int64_t* a, const int64_t* b, int64_t* out,
                             Report to) {
  bool told = false;  // what a thread finds after its first comes later
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[3];
    loop.locate(i, at);
    int64_t x = a[at[0]];
    int64_t y = b[at[1]];
    bool refused = Formula::refuses(x, y);
    out[at[2]] = refused ? 0 : Formula::integer(x, y);
    if (refused && !told) report(to, i, y);
    told |= refused;
  }
}

template <class Formula>
void launch_integers(const Array& a, const Array& b, const Array& out) {
  int index = out.device().index;
  DeviceGuard device(index);
  Report to = content_check(index, [](int64_t, int64_t value) { return Formula::refusal(value); });
  launch(map_integers<Formula>, blocks_for(out.numel()), kBlock, current_stream(index),
         strided<3>({&a, &b, &out}), device_data<const int64_t>(a), device_data<const int64_t>(b),
         device_data<int64_t>(out), to);
}

// False where the formula is not defined for T.
template <class Formula, class T>
bool run_formula(const Array& a, const Array& b, const Array& out) {
  constexpr bool kDefined = std::is_integral_v<T>
                                ? formulas::kTakesIntegers<Formula, T, T>
                                : formulas::kTakesFloats<Formula, ScalarMath<T>, T, T>;
  if constexpr (kDefined && std::is_integral_v<T> && formulas::kRefusesIntegers<Formula>) {
    launch_integers<Formula>(a, b, out);
  } else if constexpr (kDefined) {
    using Fn = BinaryFormula<Formula, T>;
    using Out = decltype(std::declval<Fn>()(T(), T()));
    launch_two<T, Out>(a, b, out, Fn());
  }
  return kDefined;
}

namespace {

class Binary final : public BinaryFamily {
 public:
  void run(BinaryOp op, const Array& a, const Array& b, const Array& out) const override {
    if (out.numel() == 0) return;
    bool to_bool = gives_bool(op);
    DType compute = compute_dtype(to_bool ? promote_types(a.dtype(), b.dtype()) : out.dtype());
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
