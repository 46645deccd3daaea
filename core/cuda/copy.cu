// Copies within one device, with conversion, and fills.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "core/cuda/backend.h"
#include "core/cuda/elementwise.cuh"

namespace tessera::cuda {

// The device's own 16-bit types have the bits of ours.
template <class T>
struct DeviceType16 {
  using type = T;
};
template <>
struct DeviceType16<BFloat16> {
  using type = __nv_bfloat16;
};
template <>
struct DeviceType16<Float16> {
  using type = __half;
};
template <class T>
using OnDevice = typename DeviceType16<T>::type;

__device__ inline float widen(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline float widen(__half value) { return __half2float(value); }
template <class T>
__device__ T widen(T value) {
  return value;
}

// As tessera::convert does it on the CPU.
template <class From, class To>
struct Convert {
  __device__ To operator()(From value) const {
    if constexpr (std::is_same_v<From, To>) {
      return value;
    } else {
      auto wide = widen(value);
      using Wide = decltype(wide);
      if constexpr (std::is_same_v<To, __nv_bfloat16>) {
        return __float2bfloat16_rn(static_cast<float>(wide));
      } else if constexpr (std::is_same_v<To, __half>) {
        return __float2half_rn(static_cast<float>(wide));
      } else if constexpr (std::is_same_v<To, bool>) {
        return wide != Wide(0);
      } else if constexpr (std::is_floating_point_v<Wide> && std::is_integral_v<To>) {
        constexpr double kLimit = 9223372036854775808.0;
        double x = static_cast<double>(wide);
        int64_t whole = x >= -kLimit && x < kLimit ? static_cast<int64_t>(x) : INT64_MIN;
        return static_cast<To>(whole);
      } else {
        return static_cast<To>(wide);
      }
    }
  }
};

template <class T>
__global__ void fill_strided(Strided<1> loop, T* out, T value) {
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[1];
    loop.locate(i, at);
    out[at[0]] = value;
  }
}

template <class T>
void fill_typed(const Array& out, T value) {
  int index = out.device().index;
  DeviceGuard device(index);
  launch(fill_strided<T>, blocks_for(out.numel()), kBlock, 0, current_stream(index),
         strided<1>({&out}), static_cast<T*>(out.raw()), value);
}

namespace {

class Copy final : public CopyFamily {
 public:
  void run(const Array& source, const Array& out) const override {
    if (out.numel() == 0) return;
    visit_dtype(source.dtype(), [&](auto from) {
      visit_dtype(out.dtype(), [&](auto to) {
        using From = OnDevice<typename decltype(from)::type>;
        using To = OnDevice<typename decltype(to)::type>;
        launch_one<From, To>(source, out, Convert<From, To>());
      });
    });
  }

  void fill(const Array& out, double value) const override {
    if (out.numel() == 0) return;
    visit_dtype(out.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_typed(out, std::bit_cast<OnDevice<T>>(convert<T>(value)));
    });
  }
};

}  // namespace

const CopyFamily& copy_family() {
  static const Copy family;
  return family;
}

}  // namespace tessera::cuda
