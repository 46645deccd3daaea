// Streams, events and copies of a device.
#include "core/backend.h"

#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaBackend = CudaTest;

TEST_F(CudaBackend, TheHostCannotReadElements) {
  Array x = Array::zeros({3}, DType::f32, kCuda);
  EXPECT_EQ(error_of([&] { x.data<float>(); }),
            "[data] the host cannot read cuda:0: expected an array copied to the cpu");
  EXPECT_EQ(error_of([&] { x.raw(); }),
            "[data] the host cannot read cuda:0: expected an array copied to the cpu");
  EXPECT_NE(x.device_raw(), nullptr);
}

TEST_F(CudaBackend, WhatTheHostSendsMayChangeAtOnce) {
  for_seeds([] {
    Array x = Array::full({1000}, 1);
    std::vector<Array> sent;
    for (int i = 0; i < 8; ++i) {
      x.fill_(i);
      sent.push_back(x.to(kCuda));
    }
    x.fill_(-1);
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(sent[static_cast<size_t>(i)].to_vector<float>(),
                std::vector<float>(1000, static_cast<float>(i)));
    }
  });
}

TEST_F(CudaBackend, SendingAndComputingDoNotMakeTheHostWait) {
  Backend& device = backend(kCuda);
  int64_t before = device.host_waits();
  Array x = Array::full({10}, 2).to(kCuda);
  Array y = Array::empty({10}, DType::f32, kCuda);
  kernels(kCuda).binary().run(BinaryOp::mul, x, x, y);
  LateRead late = device.read_later(y.device_raw(), y.nbytes());
  EXPECT_EQ(device.host_waits(), before);
  device.wait(late.event);
  EXPECT_TRUE(device.is_done(late.event));
  EXPECT_EQ(static_cast<const float*>(late.bytes.get())[9], 4);
  EXPECT_EQ(device.host_waits(), before + 1);
}

TEST_F(CudaBackend, ALateReadMayBeForgotten) {
  for_seeds([] {
    Backend& device = backend(kCuda);
    Array ones = Array::full({64}, 1, DType::f32, kCuda);
    Array sent = Array::full({64}, 2);
    std::vector<Array> there;
    for (int i = 0; i < 5; ++i) {
      // Its memory is no one else's, that of what is sent next, say, before it has arrived.
      device.read_later(ones.device_raw(), ones.nbytes());
      there.push_back(sent.to(kCuda));
    }
    for (const Array& x : there) EXPECT_EQ(x.to_vector<float>(), std::vector<float>(64, 2));
  });
}

TEST_F(CudaBackend, AnotherStreamIsOrderedByEvents) {
  for_seeds([] {
    Backend& device = backend(kCuda);
    Stream other = device.make_stream();
    Array x = Array::zeros({500}, DType::f32, kCuda);
    Array y = Array::empty({500}, DType::f32, kCuda);
    x.fill_(3);
    Event filled = device.record();
    Event copied;
    {
      OnStream on(kCuda, other);
      device.order_after(filled);
      y.copy_(x);
      copied = device.record();
    }
    device.order_after(copied);
    x.fill_(4);
    EXPECT_EQ(y.to_vector<float>(), std::vector<float>(500, 3));
  });
}

TEST_F(CudaBackend, CopiesBetweenDevicesOfItsKindAreInOrder) {
  if (cuda::availability().num_devices < 2) GTEST_SKIP() << "one device";
  for_seeds([] {
    Device second{DeviceType::cuda, 1};
    Array x = Array::full({300}, 5, DType::f32, kCuda);
    Array there = x.to(second);
    x.fill_(6);
    EXPECT_EQ(there.to_vector<float>(), std::vector<float>(300, 5));
    EXPECT_EQ(there.to(kCuda).to_vector<float>(), std::vector<float>(300, 5));
  });
}

TEST_F(CudaBackend, CountsItsMemory) {
  Backend& device = backend(kCuda);
  int64_t before = device.memory_stats().current_bytes;
  device.reset_peak();
  { Array x = Array::empty({1000}, DType::f32, kCuda); }
  EXPECT_EQ(device.memory_stats().current_bytes, before);
  EXPECT_GE(device.memory_stats().peak_bytes, before + 4000);
  device.reset_peak();
  EXPECT_EQ(device.memory_stats().peak_bytes, before);
}

}  // namespace
}  // namespace tessera::test
