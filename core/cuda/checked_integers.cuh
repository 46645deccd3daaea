// Divisions and powers of integers, which are not defined for every content.
#pragma once

#include "core/cuda/content_errors.cuh"
#include "core/cuda/elementwise.cuh"
#include "core/kernels/binary.h"

namespace tessera::cuda {

// What the host's integers would trap on gives 0 here, and is reported.
struct IntTruncDivide {
  __device__ static bool defined(int64_t b) { return b != 0; }
  __device__ int64_t operator()(int64_t a, int64_t b) const {
    return b == -1 ? static_cast<int64_t>(0 - static_cast<uint64_t>(a)) : a / b;
  }
};
struct IntFmod {
  __device__ static bool defined(int64_t b) { return b != 0; }
  __device__ int64_t operator()(int64_t a, int64_t b) const { return b == -1 ? 0 : a % b; }
};
// Whether a remainder lies on the other side of zero than the divisor.
__device__ inline bool other_side(int64_t r, int64_t b) { return r != 0 && (r < 0) != (b < 0); }
struct IntRemainder {
  __device__ static bool defined(int64_t b) { return b != 0; }
  __device__ int64_t operator()(int64_t a, int64_t b) const {
    int64_t r = IntFmod()(a, b);
    return other_side(r, b) ? r + b : r;
  }
};
struct IntFloorDivide {
  __device__ static bool defined(int64_t b) { return b != 0; }
  __device__ int64_t operator()(int64_t a, int64_t b) const {
    int64_t q = IntTruncDivide()(a, b);
    return other_side(IntFmod()(a, b), b) ? q - 1 : q;
  }
};
struct IntPower {
  __device__ static bool defined(int64_t b) { return b >= 0; }
  __device__ int64_t operator()(int64_t a, int64_t b) const {
    uint64_t result = 1;
    for (uint64_t base = static_cast<uint64_t>(a); b > 0; b >>= 1, base *= base) {
      if (b & 1) result *= base;
    }
    return static_cast<int64_t>(result);
  }
};

// out[i] = fn(a[i], b[i]) where that is defined.
template <class F>
__global__ void map_two_checked(Strided<3> loop, const int64_t* a, const int64_t* b, int64_t* out,
                                F fn, Report to) {
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[3];
    loop.locate(i, at);
    int64_t y = b[at[1]];
    if (F::defined(y)) {
      out[at[2]] = fn(a[at[0]], y);
    } else {
      out[at[2]] = 0;
      report(to, i, y);
    }
  }
}

template <class F>
void launch_checked(const Array& a, const Array& b, const Array& out, F fn,
                    ContentChecks::Text wrong) {
  int index = out.device().index;
  DeviceGuard device(index);
  Report to = content_check(index, std::move(wrong));
  launch(map_two_checked<F>, blocks_for(out.numel()), kBlock, current_stream(index),
         strided<3>({&a, &b, &out}), device_data<const int64_t>(a), device_data<const int64_t>(b),
         device_data<int64_t>(out), fn, to);
}

// a, b and out are i64; false where the op is none of these.
inline bool run_checked_integers(BinaryOp op, const Array& a, const Array& b, const Array& out) {
  auto divide = [&](const char* name, auto fn) {
    launch_checked(a, b, out, fn, [name](int64_t, int64_t divisor) {
      return fmt::format("[{}] expected integers other than 0 as divisors, got {}", name, divisor);
    });
    return true;
  };
  switch (op) {
    case BinaryOp::fmod: return divide("fmod", IntFmod());
    case BinaryOp::remainder: return divide("remainder", IntRemainder());
    case BinaryOp::floor_divide: return divide("floor_divide", IntFloorDivide());
    case BinaryOp::trunc_divide: return divide("trunc_divide", IntTruncDivide());
    case BinaryOp::pow: break;
    default: return false;
  }
  launch_checked(a, b, out, IntPower(), [](int64_t, int64_t power) {
    return fmt::format("[pow] expected powers of integers that are not negative, got {}", power);
  });
  return true;
}

}  // namespace tessera::cuda
