// What the host's compiler has to know to take a .cu file. Comes before everything else, with
// -include: CUDA's own headers keep these macros where they are defined.
#pragma once

// NOLINTBEGIN(bugprone-reserved-identifier): the names are those of CUDA.
#define TESSERA_CUDA_EMULATION 1
#define __global__
#define __device__
#define __constant__
// Works, but unchecked: TESSERA_SHARED is the rule.
#define __shared__ static thread_local
#define __grid_constant__
#define __launch_bounds__(...)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace tessera::emulation {

// The signature of a kernel: how it is called, and what its parameters are.
struct KernelInfo {
  void (*call)(const void* function, void** args);
  size_t num_params;
  const size_t* sizes;
  const bool* are_pointers;
};
void register_kernel(const void* function, const KernelInfo* kernel);

template <class... P>
const KernelInfo* kernel_info() {
  static_assert((std::is_trivially_copyable_v<P> && ...),
                "kernel parameters must be trivially copyable");
  static constexpr size_t kSizes[] = {sizeof(P)..., 0};
  static constexpr bool kArePointers[] = {std::is_pointer_v<P>..., false};
  static constexpr KernelInfo kKernel{
      [](const void* function, void** args) {
        [&]<size_t... I>(std::index_sequence<I...>) {
          reinterpret_cast<void (*)(P...)>(const_cast<void*>(function))(
              *static_cast<std::remove_cv_t<P>*>(args[I])...);
        }
        (std::index_sequence_for<P...>{});
      },
      sizeof...(P), kSizes, kArePointers};
  return &kKernel;
}

// Called by the threads of a kernel; executor.cpp has them.
uint3 thread_index();
uint3 block_index();
dim3 block_size();
dim3 grid_size();
unsigned lane();
void barrier(const char* file, int line);
// Waits for all lanes of the mask; gives what lane `source` brought, or one's own value back where
// source is negative. Lanes must agree in `kind`.
uint64_t warp_exchange(unsigned mask, int kind, uint64_t value, int source, const char* file,
                       int line);
unsigned warp_ballot(unsigned mask, bool value, const char* file, int line);
void* shared_site(const void* site, size_t bytes, const char* name);

template <class T>
T shuffle(unsigned mask, T value, int kind, int source, const char* file, int line) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_exchange(mask, kind, bits, source, file, line);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace tessera::emulation

#ifdef __SANITIZE_THREAD__
// Through calls into code that ThreadSanitizer does not see: another thread of the host may run the
// same fibers.
#define threadIdx (::tessera::emulation::thread_index())
#define blockIdx (::tessera::emulation::block_index())
#define blockDim (::tessera::emulation::block_size())
#define gridDim (::tessera::emulation::grid_size())
#else
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;
#endif

inline constexpr int warpSize = 32;

// Default arguments that say where a primitive is called.
#define TESSERA_EMULATION_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(TESSERA_EMULATION_SITE) { tessera::emulation::barrier(file, line); }
inline void __syncwarp(unsigned mask = ~0U, TESSERA_EMULATION_SITE) {
  tessera::emulation::warp_exchange(mask, 0, 0, -1, file, line);
}

// Lanes in groups of `width`, a power of two.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, TESSERA_EMULATION_SITE) {
  int lane = static_cast<int>(tessera::emulation::lane());
  int from = (lane & ~(width - 1)) | (source & (width - 1));
  return tessera::emulation::shuffle(mask, value, 1, from, file, line);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, TESSERA_EMULATION_SITE) {
  int lane = static_cast<int>(tessera::emulation::lane());
  int from = lane ^ bits;
  // A lane reads its own and lower groups only.
  if ((from & ~(width - 1)) > (lane & ~(width - 1))) from = -1;
  return tessera::emulation::shuffle(mask, value, 2, from, file, line);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta, int width = 32, TESSERA_EMULATION_SITE) {
  int lane = static_cast<int>(tessera::emulation::lane());
  int from = (lane & (width - 1)) + delta < width ? lane + delta : -1;
  return tessera::emulation::shuffle(mask, value, 3, from, file, line);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int delta, int width = 32, TESSERA_EMULATION_SITE) {
  int lane = static_cast<int>(tessera::emulation::lane());
  int from = (lane & (width - 1)) >= delta ? lane - delta : -1;
  return tessera::emulation::shuffle(mask, value, 4, from, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int value, TESSERA_EMULATION_SITE) {
  return tessera::emulation::warp_ballot(mask, value != 0, file, line);
}

template <class T>
T atomicAdd(T* to, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*to).fetch_add(value, std::memory_order_relaxed);
}

template <class T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> wanted) {
  std::atomic_ref<T>(*at).compare_exchange_strong(expected, wanted);
  return expected;
}
template <class T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*at).exchange(value);
}
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

// What core/cuda/launch.h has for nvcc: shared memory that belongs to a block and is checked, and
// the signature of each kernel.
#define TESSERA_SHARED(T, name, ...)                  \
  static char name##_site_;                           \
  typedef T name##_array_ __VA_ARGS__;                \
  name##_array_& name = *static_cast<name##_array_*>( \
      ::tessera::emulation::shared_site(&name##_site_, sizeof(name##_array_), #name))

namespace tessera::cuda {

template <class... P>
void announce(void (*kernel)(P...)) {
  emulation::register_kernel(reinterpret_cast<const void*>(kernel), emulation::kernel_info<P...>());
}

// Without the C library's global sign, which threads would race for.
inline double log_gamma(double x) {
  int sign = 0;
  return lgamma_r(x, &sign);
}

}  // namespace tessera::cuda
// NOLINTEND(bugprone-reserved-identifier)
