// Stands for the CUDA backend in builds without a CUDA toolkit.
#include "core/cuda/cuda.h"

namespace tessera::cuda {
namespace {

[[noreturn]] void not_built() { throw_error("[cuda] " + availability().reason); }

}  // namespace

const Availability& availability() {
  static const Availability none{
      0, "this build has no CUDA backend: no CUDA toolkit was found when it was configured"};
  return none;
}

std::string describe(int) { not_built(); }
const Kernels& kernel_table(Device) { not_built(); }
void* allocate(size_t, int) { not_built(); }
// Nothing was allocated, so there is nothing to give back.
void deallocate(void*, int) noexcept {}
PoolStats pool_stats(int) { return {}; }
void transfer(const Array&, const Array&) { not_built(); }
void synchronize(int) { not_built(); }

}  // namespace tessera::cuda
