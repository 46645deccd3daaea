// Forced with -include when a .cu is compiled by g++/clang++ (-x c++). Test-only.
#pragma once
#define TESSERA_CUDA_EMULATION 1
// crt/host_defines.h keeps these when predefined and __CUDACC__ is not defined.
#define __global__
#define __device__
#define __constant__
#define __shared__ static thread_local  // works, but unchecked: TESSERA_SHARED is the rule
#define __grid_constant__
#define __launch_bounds__(...)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#ifdef __SANITIZE_THREAD__  // through calls into code TSan does not see: another host thread may
                            // run our fibers
namespace tessera::emulation {
uint3 tid_();
uint3 bid_();
dim3 bdim_();
dim3 gdim_();
}  // namespace tessera::emulation
#define threadIdx (::tessera::emulation::tid_())
#define blockIdx (::tessera::emulation::bid_())
#define blockDim (::tessera::emulation::bdim_())
#define gridDim (::tessera::emulation::gdim_())
#else
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;
#endif
inline constexpr int warpSize = 32;
#define TESSERA_EMULATION_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace tessera::emulation {
struct KernelInfo {
  void (*call)(const void*, void**);
  std::size_t n;
  const std::size_t* size;
  const bool* is_ptr;
};
void register_kernel(const void* fn, const KernelInfo* kernel);
void barrier(const char* file, int line);
std::uint64_t warp_exchange(unsigned mask, int kind, std::uint64_t v, int src, const char* file,
                            int line);  // src < 0: own value
unsigned warp_ballot(unsigned mask, bool p, const char* file, int line);
[[noreturn]] void device_error(const char* what, const char* file, int line);
unsigned lane();
void maybe_yield();
void* shared_site(const void* tag, std::size_t bytes, const char* name);
void* dyn_shared();

template <class... P>
const KernelInfo* kernel_info() {
  static_assert((std::is_trivially_copyable_v<P> && ...),
                "kernel parameters must be trivially copyable");
  static constexpr std::size_t sz[] = {sizeof(P)..., 0};
  static constexpr bool ip[] = {std::is_pointer_v<P>..., false};
  static constexpr KernelInfo kernel{[](const void* f, void** a) {
                                       [&]<std::size_t... I>(std::index_sequence<I...>) {
                                         reinterpret_cast<void (*)(P...)>(const_cast<void*>(f))(
                                             *static_cast<std::remove_cv_t<P>*>(a[I])...);
                                       }
                                       (std::index_sequence_for<P...>{});
                                     },
                                     sizeof...(P), sz, ip};
  return &kernel;
}
template <class T>
std::uint64_t bits(T v) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  std::uint64_t u = 0;
  __builtin_memcpy(&u, &v, sizeof v);
  return u;
}
template <class T>
T unbits(std::uint64_t u) {
  T v;
  __builtin_memcpy(&v, &u, sizeof v);
  return v;
}
template <class T>
T shfl(unsigned m, T v, int kind, int src, const char* f, int l) {
  return unbits<T>(warp_exchange(m, kind, bits(v), src, f, l));
}
}  // namespace tessera::emulation

inline void __syncthreads(TESSERA_EMULATION_SITE) { tessera::emulation::barrier(file, line); }
inline void __syncwarp(unsigned m = ~0u, TESSERA_EMULATION_SITE) {
  tessera::emulation::warp_exchange(m, 0, 0, -1, file, line);
}
template <class T>
T __shfl_sync(unsigned m, T v, int s, int w = 32, TESSERA_EMULATION_SITE) {
  int l = tessera::emulation::lane();
  return tessera::emulation::shfl(m, v, 1, (l & ~(w - 1)) | (s & (w - 1)), file, line);
}
template <class T>
T __shfl_xor_sync(unsigned m, T v, int x, int w = 32, TESSERA_EMULATION_SITE) {
  int l = tessera::emulation::lane(), s = l ^ x;
  return tessera::emulation::shfl(m, v, 2, (s & ~(w - 1)) <= (l & ~(w - 1)) ? s : -1, file, line);
}
template <class T>
T __shfl_down_sync(unsigned m, T v, int d, int w = 32, TESSERA_EMULATION_SITE) {
  int l = tessera::emulation::lane(), s = l + d;
  return tessera::emulation::shfl(m, v, 3, (l & (w - 1)) + d < w ? s : -1, file, line);
}
template <class T>
T __shfl_up_sync(unsigned m, T v, int d, int w = 32, TESSERA_EMULATION_SITE) {
  int l = tessera::emulation::lane();
  return tessera::emulation::shfl(m, v, 4, (l & (w - 1)) >= d ? l - d : -1, file, line);
}
inline unsigned __ballot_sync(unsigned m, int p, TESSERA_EMULATION_SITE) {
  return tessera::emulation::warp_ballot(m, p != 0, file, line);
}
inline int __any_sync(unsigned m, int p, TESSERA_EMULATION_SITE) {
  return __ballot_sync(m, p, file, line) != 0;
}
inline int __all_sync(unsigned m, int p, TESSERA_EMULATION_SITE) {
  return __ballot_sync(m, p, file, line) == m;
}
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { __threadfence(); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return std::countl_zero(unsigned(x)); }
template <class T>
T __ldg(const T* p) {
  return *p;
}
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __frsqrt_rn(float x) { return 1.0f / std::sqrt(x); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline float __int_as_float(int i) { return std::bit_cast<float>(i); }
inline int __float_as_int(float f) { return std::bit_cast<int>(f); }

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
  tessera::emulation::maybe_yield();
  return std::atomic_ref<T>(*p).fetch_add(v, std::memory_order_relaxed);
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> v) {
  tessera::emulation::maybe_yield();
  return std::atomic_ref<T>(*p).exchange(v, std::memory_order_relaxed);
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> c, std::type_identity_t<T> v) {
  tessera::emulation::maybe_yield();
  std::atomic_ref<T>(*p).compare_exchange_strong(c, v, std::memory_order_relaxed);
  return c;
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v) {
  tessera::emulation::maybe_yield();
  std::atomic_ref<T> r(*p);
  T o = r.load(std::memory_order_relaxed);
  while (o < v && !r.compare_exchange_weak(o, v, std::memory_order_relaxed)) {
  }
  return o;
}
