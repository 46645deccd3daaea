// What core/cuda/launch.h needs when kernels run on the CPU: shared memory that belongs to a block
// and is checked, and the signature of each kernel.
#pragma once

#define TESSERA_SHARED(T, name, ...)                  \
  static char name##_site_;                           \
  typedef T name##_array_ __VA_ARGS__;                \
  name##_array_& name = *static_cast<name##_array_*>( \
      ::tessera::emulation::shared_site(&name##_site_, sizeof(name##_array_), #name))

namespace tessera::cuda {

// Without the C library's global sign, which threads would race for.
inline double log_gamma(double x) {
  int sign = 0;
  return lgamma_r(x, &sign);
}

template <class... P>
void announce(void (*kernel)(P...)) {
  emulation::register_kernel(reinterpret_cast<const void*>(kernel), emulation::kernel_info<P...>());
}

}  // namespace tessera::cuda
