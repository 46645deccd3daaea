// Conversions between element types on the device.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "core/cuda/launch.h"
#include "core/dtype.h"

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

}  // namespace tessera::cuda
