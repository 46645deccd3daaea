// What the emulation computes, and negative controls: faults that it has to find. Some are seen as
// wrong results or errors, others only under a sanitizer.
#include <cstdlib>

#include "core/cuda/device_data.h"
#include "core/cuda/error_codes.h"
#include "core/cuda/stream.h"
#include "core/kernels.h"
#include "core/kernels/gather.h"
#include "tests/core/cuda/cuda_test.h"
#include "tests/cuda_emulation/sample_kernels.h"

namespace tessera::emulation {
void reset_context();
}

namespace tessera::test {
namespace {

class CudaEmulation : public testing::Test {
 protected:
  // A program that must die is started anew: a fork of this one lacks the threads of earlier tests.
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  void TearDown() override { emulation::reset_context(); }
};

cudaStream_t stream() { return cuda::current_stream(0); }

// The error of fn(stream()), which comes when the kernel has run.
template <class F>
std::string kernel_error(F&& fn) {
  return error_of([&] {
    fn(stream());
    backend(kCuda).synchronize();
  });
}

// Whether ThreadSanitizer reports a race in fn(), which runs in a process of its own. The exit code
// is the one it gives to a process that had one.
#define EXPECT_RACE(fn) \
  EXPECT_EXIT(          \
      {                 \
        fn;             \
        std::exit(0);   \
      },                \
      testing::ExitedWithCode(66), "data race")

float sum_of_256(bool with_barriers) {
  Array x = Array::full({256}, 1, DType::f32, kCuda);
  Array out = Array::empty({1}, DType::f32, kCuda);
  sum_256(cuda::device_data<float>(x), cuda::device_data<float>(out), with_barriers, stream());
  return out.item<float>();
}

// What a second stream reads of what the first one writes: it should be ones.
std::vector<float> hand_over(bool wait) {
  constexpr int kCount = 100;
  static cudaStream_t reader = [] {
    cuda::DeviceGuard device(0);
    cudaStream_t made = nullptr;
    cuda::check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "a stream");
    return made;
  }();
  cuda::DeviceGuard device(0);
  Array x = Array::zeros({kCount}, DType::f32, kCuda);
  Array out = Array::zeros({kCount}, DType::f32, kCuda);
  backend(kCuda).synchronize();
  write_ones(cuda::device_data<float>(x), kCount, stream());
  if (wait) {
    cudaEvent_t written = nullptr;
    cuda::check(cudaEventCreateWithFlags(&written, cudaEventDisableTiming), "an event");
    cuda::check(cudaEventRecord(written, stream()), "recording");
    cuda::check(cudaStreamWaitEvent(reader, written, 0), "waiting");
    cuda::check(cudaEventDestroy(written), "giving an event back");
  }
  copy_elements(cuda::device_data<float>(x), cuda::device_data<float>(out), kCount, reader);
  cuda::check(cudaStreamSynchronize(reader), "synchronizing");
  return out.to_vector<float>();
}

TEST_F(CudaEmulation, LanesOfAWarpExchangeNumbers) {
  for_seeds([] {
    std::vector<float> values;
    for (int i = 0; i < 64; ++i) values.push_back(static_cast<float>(i % 32 - 30));
    Array x = Array::from(values, {64}).to(kCuda);
    Array out = Array::empty({5 * 64}, DType::f32, kCuda);
    talk_within_warps(cuda::device_data<float>(x), cuda::device_data<float>(out), stream());
    std::vector<float> got = out.to_vector<float>();
    for (size_t i = 0; i < 64; ++i) {
      EXPECT_EQ(got[i], 31 * 16 - 30 * 32);
      EXPECT_EQ(got[64 + i], i % 32 == 31 ? values[i] : values[i + 1]);
      EXPECT_EQ(got[128 + i], i % 32 == 0 ? values[i] : values[i - 1]);
      EXPECT_EQ(got[192 + i], values[3]);
      EXPECT_EQ(got[256 + i], static_cast<float>(1U << 31));
    }
  });
}

TEST_F(CudaEmulation, AtomicAdditionsLoseNothing) {
  std::vector<int> values;
  for (int i = 0; i < 500; ++i) values.push_back(i);
  Array x = Array::from(values, {500}).to(kCuda);
  Array counts = Array::zeros({4}, DType::i32, kCuda);
  count_by_four(cuda::device_data<int>(x), cuda::device_data<int>(counts), 500, stream());
  EXPECT_EQ(counts.to_vector<int>(), std::vector<int>(4, 125));
}

TEST_F(CudaEmulation, FreshMemoryIsNoNumber) {
  // Of a size that no other test has given back.
  Array x = Array::empty({123457}, DType::f32, kCuda);
  EXPECT_TRUE(std::isnan(x.to_vector<float>()[123456]));
}

#if defined(__SANITIZE_THREAD__)
TEST_F(CudaEmulation, AMissingBarrierIsARace) {
  EXPECT_EQ(sum_of_256(true), 256);
  EXPECT_RACE(sum_of_256(false));
}

TEST_F(CudaEmulation, TwoBlocksThatWriteTheSameElementsAreARace) {
  EXPECT_RACE({
    Array x = Array::zeros({100}, DType::f32, kCuda);
    add_in_two_blocks(cuda::device_data<float>(x), 100, stream());
    backend(kCuda).synchronize();
  });
}

TEST_F(CudaEmulation, AStreamThatDoesNotWaitForAnotherIsARace) {
  EXPECT_EQ(hand_over(true), std::vector<float>(100, 1));
  EXPECT_RACE(hand_over(false));
}
#else
TEST_F(CudaEmulation, AMissingBarrierGivesWrongSums) {
  for_seeds([] {
    EXPECT_EQ(sum_of_256(true), 256);
    EXPECT_NE(sum_of_256(false), 256);
  });
}

TEST_F(CudaEmulation, AStreamThatDoesNotWaitForAnotherReadsTooEarly) {
  int wrong = 0;
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(hand_over(true), std::vector<float>(100, 1));
    wrong += hand_over(false) != std::vector<float>(100, 1);
    backend(kCuda).synchronize();
  }
  EXPECT_GT(wrong, 0);
}
#endif

TEST_F(CudaEmulation, ABarrierThatSomeThreadsMissIsAnError) {
  std::string error = kernel_error(half_a_barrier);
  EXPECT_TRUE(contains(error, "deadlock: 32 threads wait at __syncthreads"));
  EXPECT_TRUE(contains(error, "sample_kernels.cu"));
}

TEST_F(CudaEmulation, DifferentBarriersAreAnError) {
  EXPECT_TRUE(contains(kernel_error(two_barriers), "divergent __syncthreads"));
}

TEST_F(CudaEmulation, AShuffleThatSomeLanesMissIsAnError) {
  std::string error = kernel_error(half_a_shuffle);
  bool found = error.find("wait in a warp primitive") != std::string::npos ||
               error.find("waits for a lane that has exited") != std::string::npos;
  EXPECT_TRUE(found) << error;
}

TEST_F(CudaEmulation, ABrokenContextRunsNothingMore) {
  EXPECT_NE(kernel_error(half_a_barrier), "");
  EXPECT_TRUE(contains(error_of([] { sum_of_256(true); }), "deadlock"));
}

#if defined(__SANITIZE_ADDRESS__)
TEST_F(CudaEmulation, OneElementPastAnArrayIsSeen) {
  Array x = Array::empty({100}, DType::f32, kCuda);
  auto write = [&](int count) {
    write_ones(cuda::device_data<float>(x), count, stream());
    backend(kCuda).synchronize();
  };
  write(100);
  EXPECT_DEATH(write(101), "AddressSanitizer.*sample_kernels.cu");
}

TEST_F(CudaEmulation, MemoryThatWasGivenBackIsNotReadAgain) {
  const float* gone = cuda::device_data<float>(Array::zeros({256}, DType::f32, kCuda));
  Array out = Array::empty({1}, DType::f32, kCuda);
  EXPECT_DEATH(
      {
        sum_256(gone, cuda::device_data<float>(out), true, stream());
        backend(kCuda).synchronize();
      },
      "AddressSanitizer");
}

TEST_F(CudaEmulation, OneElementPastSharedMemoryIsSeen) {
  EXPECT_DEATH(kernel_error(past_shared_memory), "AddressSanitizer");
}
#elif !defined(__SANITIZE_THREAD__)
TEST_F(CudaEmulation, OneElementPastSharedMemoryIsSeen) {
  EXPECT_TRUE(contains(kernel_error(past_shared_memory), "past the end of a shared array"));
}
#endif

// Those that nobody waits for do not pile up.
TEST_F(CudaEmulation, ManyContentChecksMakeTheHostWait) {
  Array table = Array::zeros({5, 3}, DType::f32, kCuda);
  Array out = Array::empty({1, 3}, DType::f32, kCuda);
  kernels(kCuda).gather().rows(table, Array::from<int64_t>({5}, {1}).to(kCuda), out);
  std::string error = error_of([] {
    for (int i = 0; i < 20000; ++i) {
      cuda::content_check(0, [](int64_t, int64_t) { return std::string(); });
    }
  });
  EXPECT_EQ(error, "[embedding] expected an index in [0, 5), got 5 at 0");
  backend(kCuda).synchronize();
}

TEST_F(CudaEmulation, TheHostCannotReadDeviceMemory) {
  Array x = Array::full({100}, 1, DType::f32, kCuda);
  backend(kCuda).synchronize();
  EXPECT_EQ(error_of([&] { x.data<float>(); }),
            "[data] the host cannot read cuda:0: expected an array copied to the cpu");
  EXPECT_DEATH({ EXPECT_EQ(cuda::device_data<float>(x)[3], 1); },
               "HOST code dereferenced device pointer");
}

TEST_F(CudaEmulation, AHostPointerAsAnArgumentIsSeen) {
  float here[128];
  EXPECT_TRUE(
      contains(error_of([&] { write_ones(here, 128, stream()); }), "pageable host pointer"));
}

}  // namespace
}  // namespace tessera::test
