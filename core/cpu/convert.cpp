#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/convert.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/cpu/convert.h"

#ifndef TESSERA_CORE_CPU_CONVERT_ONCE
#define TESSERA_CORE_CPU_CONVERT_ONCE
#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>
#endif

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The same rounding as BFloat16's constructor, without a branch.
inline uint16_t bf16_bits(float value) {
  auto word = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (word + 0x7fff + ((word >> 16) & 1)) >> 16;
  uint32_t nan = (word >> 16) | 0x0040;
  return static_cast<uint16_t>((word & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

template <class From, class To>
void run(const void* source, void* out, size_t count) {
  const From* __restrict from = static_cast<const From*>(source);
  To* __restrict to = static_cast<To*>(out);
  size_t i = 0;
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, count * sizeof(To));
    return;
  } else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, BFloat16>) {
    for (; i < count; ++i) to[i].bits = bf16_bits(from[i]);
    return;
  } else if constexpr (std::is_same_v<From, BFloat16> && std::is_same_v<To, float>) {
    for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
    return;
  } else if constexpr (HWY_TARGET != HWY_SSE4 && std::is_same_v<From, Float16> &&
                       std::is_same_v<To, float>) {
    const hn::ScalableTag<float> d;
    const hn::Rebind<hwy::float16_t, decltype(d)> half;
    const auto* bits = reinterpret_cast<const hwy::float16_t*>(from);
    for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
      hn::StoreU(hn::PromoteTo(d, hn::LoadU(half, bits + i)), d, to + i);
    }
  } else if constexpr (HWY_TARGET != HWY_SSE4 && std::is_same_v<From, float> &&
                       std::is_same_v<To, Float16>) {
    const hn::ScalableTag<float> d;
    const hn::Rebind<hwy::float16_t, decltype(d)> half;
    auto* bits = reinterpret_cast<hwy::float16_t*>(to);
    for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
      hn::StoreU(hn::DemoteTo(half, hn::LoadU(d, from + i)), half, bits + i);
    }
  }
  for (; i < count; ++i) to[i] = convert<To>(from[i]);
}

ConvertRun choose(DType from, DType to) {
  return visit_dtype(from, [&](auto f) {
    return visit_dtype(to, [&](auto t) -> ConvertRun {
      return run<typename decltype(f)::type, typename decltype(t)::type>;
    });
  });
}

void stream(const void* source, void* out, size_t bytes) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto* from = static_cast<const uint8_t*>(source);
  auto* to = static_cast<uint8_t*>(out);
  size_t head = (lanes - reinterpret_cast<uintptr_t>(to) % lanes) % lanes;
  size_t i = std::min(head, bytes);
  std::memcpy(to, from, i);
  for (; i + lanes <= bytes; i += lanes) hn::Stream(hn::LoadU(d, from + i), d, to + i);
  std::memcpy(to + i, from + i, bytes - i);
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(choose);
HWY_EXPORT(stream);

ConvertRun convert_run(DType from, DType to) { return HWY_DYNAMIC_DISPATCH(choose)(from, to); }

void stream_copy(const void* source, void* out, size_t bytes) {
  HWY_DYNAMIC_DISPATCH(stream)(source, out, bytes);
}

void stream_fence() { hwy::FlushStream(); }

}  // namespace tessera::cpu
#endif  // HWY_ONCE
