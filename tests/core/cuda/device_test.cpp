#include <cmath>
#include <limits>
#include <thread>

#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/softmax.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaDevice = CudaTest;

TEST(CudaAvailability, SaysWhyThereIsNoDevice) {
  const cuda::Availability& available = cuda::availability();
  EXPECT_EQ(available.reason.empty(), available.num_devices > 0);
  Device missing{DeviceType::cuda, available.num_devices};
  EXPECT_TRUE(contains(error_of([&] { kernels(missing); }), to_string(missing)));
  EXPECT_TRUE(contains(error_of([&] { kernels(missing); }), available.reason));
  EXPECT_TRUE(
      contains(error_of([&] { Array::empty({2}, DType::f32, missing); }), to_string(missing)));
}

TEST_F(CudaDevice, AFamilyThatItLacksIsNamed) {
  EXPECT_EQ(error_of([] { kernels(kCuda).softmax(); }),
            "[softmax] cuda has no kernels of this family");
}

TEST_F(CudaDevice, CopiesThereAndBackKeepTheBits) {
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::i32,
                      DType::u8, DType::boolean}) {
    Array x = random_array({7, 300}, DType::f32, 1, 0, 100).to(dtype);
    EXPECT_TRUE(same_bits(x.to(kCuda).to(Device{}), x)) << name(dtype);
    EXPECT_TRUE(same_bits(x.transpose(0, 1).to(kCuda).to(Device{}), x.transpose(0, 1)));
    EXPECT_TRUE(same_bits(x.to(kCuda).transpose(0, 1).to(Device{}), x.transpose(0, 1)));
  }
  EXPECT_EQ(Array::empty({0, 3}).to(kCuda).to(Device{}).shape(), (Dims{0, 3}));
}

TEST_F(CudaDevice, ConversionsAgreeWithTheCpu) {
  double inf = HUGE_VAL;
  Array x = Array::from<double>(
      {0, -0.0, 1.5, -2.5, 70000, 1e-8, 3e9, -1e20, inf, -inf, std::nan(""), 1.00390625}, {12});
  for (DType from : {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32,
                     DType::u8, DType::boolean}) {
    for (DType to : {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32,
                     DType::u8, DType::boolean}) {
      Array source = x.to(from);
      EXPECT_TRUE(
          close_to(doubles(source.to(kCuda).to(to).to(Device{})), doubles(source.to(to)), 0, 0))
          << name(from) << " to " << name(to);
    }
  }
}

TEST_F(CudaDevice, CopiesBroadcastAndConvertAcrossDevices) {
  Array row = random_array({5}, DType::f64);
  Array out = Array::zeros({4, 5}, DType::f32, kCuda);
  out.transpose(0, 1).copy_(row.unsqueeze(1));
  Array expected = Array::zeros({4, 5});
  expected.copy_(row);
  EXPECT_TRUE(same_bits(out.to(Device{}), expected));
  expected.fill_(0);
  expected.slice(1, 1, 4, 2).copy_(Array::full({4, 2}, 3, DType::i32, kCuda));
  EXPECT_EQ(expected.to_vector<float>()[3], 3);
  EXPECT_EQ(expected.to_vector<float>()[2], 0);
}

TEST_F(CudaDevice, ReadsElementsAndFillsStridedArrays) {
  Array x = Array::full({3, 4}, 2.5, DType::f64, kCuda);
  x.select(1, 2).fill_(std::nan(""));
  EXPECT_EQ(x.select(0, 1).select(0, 1).item<float>(), 2.5f);
  std::vector<double> values = x.to_vector<double>();
  EXPECT_TRUE(std::isnan(values[2]) && std::isnan(values[10]) && values[3] == 2.5);
}

TEST_F(CudaDevice, ThePoolKeepsBlocksForTheNextCaller) {
  int64_t live = backend(kCuda).memory_stats().current_bytes;
  {
    Array x = Array::empty({1000}, DType::f32, kCuda);
    EXPECT_GE(backend(kCuda).memory_stats().current_bytes, live + 4000);
  }
  EXPECT_EQ(backend(kCuda).memory_stats().current_bytes, live);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  int64_t reserved = backend(kCuda).memory_stats().reserved_bytes;
  for (int i = 0; i < 10; ++i) Array::empty({1000}, DType::f32, kCuda);
  EXPECT_EQ(backend(kCuda).memory_stats().reserved_bytes, reserved);
#endif
}

TEST_F(CudaDevice, TooLargeARequestIsAnErrorWithItsSize) {
  EXPECT_TRUE(contains(error_of([] { Array::empty({int64_t{1} << 44}, DType::f32, kCuda); }),
                       "70368744177664 bytes"));
  // The device goes on.
  EXPECT_EQ(Array::full({2}, 1, DType::f32, kCuda).to_vector<float>()[1], 1);
}

// The block's next use on its own stream must wait for what the other thread still does with it.
TEST_F(CudaDevice, ABlockGivenBackByAnotherThreadIsNotUsedTooEarly) {
  for_seeds([] {
    Array x = Array::full({5000}, 1, DType::f32, kCuda);
    backend(kCuda).synchronize();
    Array sum = Array::zeros({5000}, DType::f32, kCuda);
    backend(kCuda).synchronize();
    std::thread other([&sum, x = std::move(x)]() mutable {
      for (int i = 0; i < 4; ++i) kernels(kCuda).binary().run(BinaryOp::add, sum, x, sum);
      x = Array();
    });
    other.join();
    Array next = Array::full({5000}, 100, DType::f32, kCuda);
    Array seen = sum.to(Device{});
    EXPECT_EQ(next.to_vector<float>()[4999], 100);
    EXPECT_EQ(seen.numel(), 5000);
    std::thread([&] { backend(kCuda).synchronize(); }).join();
    EXPECT_EQ(sum.to_vector<float>(), std::vector<float>(5000, 4));
  });
}

}  // namespace
}  // namespace tessera::test
