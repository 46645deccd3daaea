#include "core/cuda/elementwise.cuh"
#include "core/cuda/families.h"
#include "core/kernels/unary.h"

namespace tessera::cuda {

template <class Formula, class T>
struct UnaryFormula {
  double params[3];
  __device__ T operator()(T x) const {
    if constexpr (requires { Formula::apply(ScalarMath<T>(), x); }) {
      return Formula::apply(ScalarMath<T>(), x);
    } else {
      return Formula::apply(ScalarMath<T>(), x, params);
    }
  }
};

struct IsNan {
  template <class T>
  __device__ bool operator()(T x) const {
    return x != x;
  }
};
struct IsInf {
  template <class T>
  __device__ bool operator()(T x) const {
    return std::fabs(x) == T(HUGE_VAL);
  }
};
struct IsFinite {
  template <class T>
  __device__ bool operator()(T x) const {
    return std::fabs(x) < T(HUGE_VAL);
  }
};
struct LogicalNot {
  template <class T>
  __device__ bool operator()(T x) const {
    return x == T(0);
  }
};
struct Always {
  bool value;
  __device__ bool operator()(int64_t) const { return value; }
};

// Integers wrap around, which is defined for unsigned ones.
struct IntNeg {
  __device__ int64_t operator()(int64_t x) const {
    return static_cast<int64_t>(0 - static_cast<uint64_t>(x));
  }
};
struct IntAbs {
  __device__ int64_t operator()(int64_t x) const { return x < 0 ? IntNeg()(x) : x; }
};
struct IntSign {
  __device__ int64_t operator()(int64_t x) const { return int64_t(x > 0) - int64_t(x < 0); }
};
struct IntSquare {
  __device__ int64_t operator()(int64_t x) const {
    return static_cast<int64_t>(static_cast<uint64_t>(x) * static_cast<uint64_t>(x));
  }
};
struct IntClip {
  int64_t high;
  __device__ int64_t operator()(int64_t x) const { return x < 0 ? 0 : (x > high ? high : x); }
};
struct IntNot {
  __device__ int64_t operator()(int64_t x) const { return ~x; }
};
struct IntSame {
  __device__ int64_t operator()(int64_t x) const { return x; }
};

// Each of the following is false where the op is not defined for the dtype.
template <class T>
bool run_formula(UnaryOp op, const Array& x, const Array& out, const ElementwiseParams& params) {
  auto run = [&](auto formula) {
    using Fn = UnaryFormula<decltype(formula), T>;
    launch_one<T, T>(x, out, Fn{{params[0], params[1], params[2]}});
  };
  return formulas::visit_unary(op, run) || formulas::visit_library_unary(op, run);
}

template <class T>
bool run_floating_test(UnaryOp op, const Array& x, const Array& out) {
  switch (op) {
    case UnaryOp::isnan: launch_one<T, bool>(x, out, IsNan()); return true;
    case UnaryOp::isinf: launch_one<T, bool>(x, out, IsInf()); return true;
    case UnaryOp::isfinite: launch_one<T, bool>(x, out, IsFinite()); return true;
    case UnaryOp::logical_not: launch_one<T, bool>(x, out, LogicalNot()); return true;
    default: return false;
  }
}

bool run_integer_test(UnaryOp op, const Array& x, const Array& out) {
  switch (op) {
    case UnaryOp::isnan:
    case UnaryOp::isinf: launch_one<int64_t, bool>(x, out, Always{false}); return true;
    case UnaryOp::isfinite: launch_one<int64_t, bool>(x, out, Always{true}); return true;
    case UnaryOp::logical_not: launch_one<int64_t, bool>(x, out, LogicalNot()); return true;
    default: return false;
  }
}

bool run_integer(UnaryOp op, const Array& x, const Array& out) {
  auto run = [&](auto fn) {
    launch_one<int64_t, int64_t>(x, out, fn);
    return true;
  };
  switch (op) {
    case UnaryOp::neg: return run(IntNeg());
    case UnaryOp::abs: return run(IntAbs());
    case UnaryOp::sign: return run(IntSign());
    case UnaryOp::square: return run(IntSquare());
    case UnaryOp::relu: return run(IntClip{INT64_MAX});
    case UnaryOp::relu6: return run(IntClip{6});
    case UnaryOp::bitwise_not: return run(IntNot());
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round:
    case UnaryOp::trunc:
    case UnaryOp::nan_to_num: return run(IntSame());
    default: return false;
  }
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
    bool defined = false;
    with_result(out, to_bool ? DType::boolean : compute, [&](const Array& result) {
      if (compute == DType::i64) {
        defined = to_bool ? run_integer_test(op, in, result) : run_integer(op, in, result);
      } else {
        visit_f32_f64(compute, "unary", [&](auto tag) {
          using T = typename decltype(tag)::type;
          defined = to_bool ? run_floating_test<T>(op, in, result)
                            : run_formula<T>(op, in, result, params);
        });
      }
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
