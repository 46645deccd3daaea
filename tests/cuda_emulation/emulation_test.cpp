// Negative controls: faults that the emulation has to find.
#include "core/cuda/stream.h"
#include "tests/core/cuda/cuda_test.h"
#include "tests/cuda_emulation/faulty_kernels.h"

extern "C" void tessera_emulation_reset_error();

namespace tessera::test {
namespace {

class CudaEmulation : public testing::Test {
 protected:
  void TearDown() override { tessera_emulation_reset_error(); }
};

float sum_of_256(bool with_barriers) {
  Array x = Array::full({256}, 1, DType::f32, kCuda);
  Array out = Array::empty({1}, DType::f32, kCuda);
  sum_256(x.data<float>(), out.data<float>(), with_barriers, cuda::current_stream(0));
  return out.item<float>();
}

#if defined(__SANITIZE_THREAD__)
TEST_F(CudaEmulation, AMissingBarrierIsARace) {
  EXPECT_EQ(sum_of_256(true), 256);
  EXPECT_DEATH(
      {
        sum_of_256(false);
        _exit(0);
      },
      "data race");
}
#else
TEST_F(CudaEmulation, AMissingBarrierGivesWrongSums) {
  for_seeds([] {
    EXPECT_EQ(sum_of_256(true), 256);
    EXPECT_NE(sum_of_256(false), 256);
  });
}
#endif

TEST_F(CudaEmulation, ABarrierThatSomeThreadsMissIsAnError) {
  half_a_barrier(cuda::current_stream(0));
  std::string error = error_of([] { cuda::synchronize(0); });
  EXPECT_TRUE(contains(error, "deadlock: 32 threads wait at __syncthreads"));
  EXPECT_TRUE(contains(error, "faulty_kernels.cu"));
}

#if defined(__SANITIZE_ADDRESS__)
TEST_F(CudaEmulation, OneElementPastTheEndIsSeen) {
  Array x = Array::empty({100}, DType::f32, kCuda);
  EXPECT_DEATH(
      {
        write_ones(x.data<float>(), 101, cuda::current_stream(0));
        cuda::synchronize(0);
      },
      "AddressSanitizer");
}
#endif

TEST_F(CudaEmulation, TheHostCannotReadDeviceMemory) {
  Array x = Array::full({100}, 1, DType::f32, kCuda);
  cuda::synchronize(0);
  EXPECT_DEATH({ EXPECT_EQ(x.data<float>()[3], 1); }, "HOST code dereferenced device pointer");
}

TEST_F(CudaEmulation, AHostPointerAsAnArgumentIsSeen) {
  float here[128];
  EXPECT_TRUE(contains(error_of([&] { write_ones(here, 128, cuda::current_stream(0)); }),
                       "pageable host pointer"));
}

}  // namespace
}  // namespace tessera::test
