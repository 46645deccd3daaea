#include "core/cuda/checked_integers.cuh"
#include "core/cuda/elementwise.cuh"
#include "core/cuda/families.h"
#include "core/kernels/binary.h"
#include "core/promotion.h"

namespace tessera::cuda {

template <class Formula, class T>
struct BinaryFormula {
  __device__ T operator()(T a, T b) const { return Formula::apply(ScalarMath<T>(), a, b); }
};

template <class T>
struct AffineFormula {
  T scale;
  T shift;
  __device__ T operator()(T a) const { return ScalarMath<T>::fma(a, scale, shift); }
};

struct Equal {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a != b;
  }
};
struct Less {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct LogicalAnd {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a != T(0) && b != T(0);
  }
};
struct LogicalOr {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a != T(0) || b != T(0);
  }
};
struct LogicalXor {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return (a != T(0)) != (b != T(0));
  }
};

// Integers wrap around, which is defined for unsigned ones.
using Int = int64_t;
using Bits = uint64_t;
constexpr Int kBits = 64;

struct IntAdd {
  __device__ Int operator()(Int a, Int b) const { return static_cast<Int>(Bits(a) + Bits(b)); }
};
struct IntSub {
  __device__ Int operator()(Int a, Int b) const { return static_cast<Int>(Bits(a) - Bits(b)); }
};
struct IntMul {
  __device__ Int operator()(Int a, Int b) const { return static_cast<Int>(Bits(a) * Bits(b)); }
};
struct IntMax {
  __device__ Int operator()(Int a, Int b) const { return a < b ? b : a; }
};
struct IntMin {
  __device__ Int operator()(Int a, Int b) const { return b < a ? b : a; }
};
struct IntAnd {
  __device__ Int operator()(Int a, Int b) const { return a & b; }
};
struct IntOr {
  __device__ Int operator()(Int a, Int b) const { return a | b; }
};
struct IntXor {
  __device__ Int operator()(Int a, Int b) const { return a ^ b; }
};
// Beyond the width all bits are gone, as in PyTorch.
struct IntLeft {
  __device__ Int operator()(Int a, Int b) const {
    return b < 0 || b >= kBits ? 0 : static_cast<Int>(Bits(a) << b);
  }
};
struct IntRight {
  __device__ Int operator()(Int a, Int b) const {
    return a >> (b < 0 || b >= kBits ? kBits - 1 : b);
  }
};

// Each of the following is false where the op is not defined for the dtype.
template <class T>
bool run_formula(BinaryOp op, const Array& a, const Array& b, const Array& out) {
  auto run = [&](auto formula) {
    launch_two<T, T>(a, b, out, BinaryFormula<decltype(formula), T>());
  };
  return formulas::visit_binary(op, run) || formulas::visit_library_binary(op, run);
}

template <class T>
bool run_comparison(BinaryOp op, const Array& a, const Array& b, const Array& out) {
  auto run = [&](const Array& x, const Array& y, auto fn) {
    launch_two<T, bool>(x, y, out, fn);
    return true;
  };
  switch (op) {
    case BinaryOp::eq: return run(a, b, Equal());
    case BinaryOp::ne: return run(a, b, NotEqual());
    case BinaryOp::lt: return run(a, b, Less());
    case BinaryOp::le: return run(a, b, LessEqual());
    case BinaryOp::gt: return run(b, a, Less());
    case BinaryOp::ge: return run(b, a, LessEqual());
    case BinaryOp::logical_and: return run(a, b, LogicalAnd());
    case BinaryOp::logical_or: return run(a, b, LogicalOr());
    case BinaryOp::logical_xor: return run(a, b, LogicalXor());
    default: return false;
  }
}

bool run_integer(BinaryOp op, const Array& a, const Array& b, const Array& out) {
  auto run = [&](auto fn) {
    launch_two<Int, Int>(a, b, out, fn);
    return true;
  };
  switch (op) {
    case BinaryOp::add: return run(IntAdd());
    case BinaryOp::sub: return run(IntSub());
    case BinaryOp::mul: return run(IntMul());
    case BinaryOp::fmax:
    case BinaryOp::maximum: return run(IntMax());
    case BinaryOp::fmin:
    case BinaryOp::minimum: return run(IntMin());
    case BinaryOp::bitwise_and: return run(IntAnd());
    case BinaryOp::bitwise_or: return run(IntOr());
    case BinaryOp::bitwise_xor: return run(IntXor());
    case BinaryOp::shift_left: return run(IntLeft());
    case BinaryOp::shift_right: return run(IntRight());
    default: return run_checked_integers(op, a, b, out);
  }
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
        using T = typename decltype(tag)::type;
        if (to_bool) defined = run_comparison<T>(op, x, y, result);
        else if constexpr (std::is_integral_v<T>) defined = run_integer(op, x, y, result);
        else defined = run_formula<T>(op, x, y, result);
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
