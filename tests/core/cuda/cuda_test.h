// What the tests of the CUDA backend share. They run on a GPU and on tests/cuda_emulation.
#pragma once

#include <cstdlib>

#include "core/cuda/cuda.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::test {

inline constexpr Device kCuda{DeviceType::cuda, 0};

class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda::availability().num_devices == 0) GTEST_SKIP() << cuda::availability().reason;
  }
};

// Calls fn under several orders of threads and blocks; on a GPU, where the variable means nothing,
// it just runs several times.
template <class F>
void for_seeds(F&& fn) {
  for (const char* seed : {"1", "2", "3", "4"}) {
    SCOPED_TRACE(std::string("seed ") + seed);
    setenv("TESSERA_EMULATION_SEED", seed, 1);
    fn();
  }
  unsetenv("TESSERA_EMULATION_SEED");
}

// Whether an array on the device holds what one on the CPU does, within the dtype's rounding.
inline testing::AssertionResult near(const Array& device, const Array& host, double f32 = 2e-6) {
  double tolerance = host.dtype() == DType::f64 ? 1e-13 : f32;
  return close_to(doubles(device.to(Device{})), doubles(host), tolerance, tolerance);
}

}  // namespace tessera::test
