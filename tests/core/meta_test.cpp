#include "core/meta/meta.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/allocator.h"
#include "core/index.h"
#include "core/kernels.h"
#include "core/kernels/attention.h"
#include "core/kernels/matmul.h"
#include "core/parallel.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;

constexpr Device kMeta{DeviceType::meta};

TEST(Meta, CountsWhatArraysWouldTake) {
  int64_t before = meta::stats().current_bytes;
  meta::reset();
  {
    Array a = Array::zeros({1000}, DType::f32, kMeta);
    Array view = a.slice(0, 0, 10);
    auto block = static_cast<int64_t>(allocator::block_size(4000));
    EXPECT_EQ(meta::stats().current_bytes, before + block);
    a = {};
    EXPECT_EQ(meta::stats().current_bytes, before + block) << "the view keeps it";
    Array b = Array::empty({1 << 20}, DType::bf16, kMeta);
    EXPECT_EQ(meta::stats().peak_bytes, before + block + (2 << 20));
  }
  EXPECT_EQ(meta::stats().current_bytes, before);
  EXPECT_EQ(meta::stats().peak_bytes - before,
            static_cast<int64_t>(allocator::block_size(4000)) + (2 << 20));
}

TEST(Meta, CountsAsTheAllocatorDoes) {
  for (int64_t count : {1, 17, 100, 5000, 300000, 3000001}) {
    int64_t before = meta::stats().current_bytes;
    int64_t before_cpu = allocator::stats().current_bytes;
    Array on_meta = Array::empty({count}, DType::f32, kMeta);
    Array on_cpu = Array::empty({count});
    EXPECT_EQ(meta::stats().current_bytes - before, allocator::stats().current_bytes - before_cpu);
  }
}

TEST(Meta, HasNoElements) {
  Array a = Array::full({3}, 7, DType::f32, kMeta);
  a.copy_(Array::zeros({3}, DType::i32));
  EXPECT_EQ(a.shape(), (Dims{3}));
  EXPECT_EQ(error_of([&] { a.raw(); }), "an array on meta has no elements");
  EXPECT_EQ(error_of([&] { a.to(Device{}); }), "an array on meta has no elements");
  EXPECT_EQ(error_of([&] { doubles(a); }), "an array on meta has no elements");
  EXPECT_EQ(error_of([&] { arrays::nonzero(a); }),
            "[nonzero] the size of the result depends on elements, which meta has not");
}

TEST(Meta, CountsProducts) {
  meta::reset();
  Array a = Array::empty({2, 3, 5}, DType::f32, kMeta);
  Array b = Array::empty({2, 5, 7}, DType::f32, kMeta);
  Array out = Array::empty({2, 3, 7}, DType::f32, kMeta);
  kernels(kMeta).matmul().run(a, b, {}, out);
  EXPECT_EQ(meta::stats().flops, 2.0 * 2 * 3 * 5 * 7);
}

// What running takes from the device's memory for itself, beside its arguments.
int64_t taken(Device device, const std::function<void()>& run) {
  Backend& of = backend(device);
  of.reset_peak();
  int64_t before = of.memory_stats().current_bytes;
  run();
  return of.memory_stats().peak_bytes - before;
}

TEST(Meta, CountsWhatSixteenBitProductsTake) {
  auto product = [](Device device, bool transposed, bool one_b, bool with_bias) {
    auto make = [&](Dims shape) { return Array::zeros(std::move(shape), DType::bf16, device); };
    Array a = transposed ? make({3, 70, 50}).transpose(1, 2) : make({3, 50, 70});
    Array b = one_b ? make({1, 70, 90}).expand({3, 70, 90}) : make({3, 70, 90});
    Array bias = with_bias ? make({90}) : Array();
    Array out = make({3, 50, 90});
    return taken(device, [&] { kernels(device).matmul().run(a, b, bias, out); });
  };
  for (bool transposed : {false, true}) {
    for (bool one_b : {false, true}) {
      for (bool with_bias : {false, true}) {
        EXPECT_EQ(product(kMeta, transposed, one_b, with_bias),
                  product(Device{}, transposed, one_b, with_bias))
            << transposed << one_b << with_bias;
      }
    }
  }
}

TEST(Meta, CountsWhatAttentionTakes) {
  int threads = num_threads();
  set_num_threads(1);
  // Forward, or else backward, with so many keys: from 129 on, they are cut into chunks.
  auto attention = [](Device device, DType dtype, int64_t keys, bool forward) {
    auto make = [&](Dims shape, DType of) { return Array::zeros(std::move(shape), of, device); };
    Array q = make({2, 4, 70, 32}, dtype);
    Array k = make({2, 2, keys, 32}, dtype);
    Array v = make({2, 2, keys, 48}, dtype);
    Array out = make({2, 4, 70, 48}, dtype), dout = make({2, 4, 70, 48}, dtype);
    Array dq = make({2, 4, 70, 32}, dtype);
    Array dk = make({2, 2, keys, 32}, dtype);
    Array dv = make({2, 2, keys, 48}, dtype);
    Array lse = make({2, 2, 4, 70}, DType::f32);
    const AttentionFamily& family = kernels(device).attention();
    return taken(device, [&] {
      if (forward) family.run(q, k, v, {}, out, lse);
      else family.grad(q, k, v, out, lse, dout, {}, dq, dk, dv, {});
    });
  };
  for (DType dtype : {DType::f32, DType::bf16}) {
    for (int64_t keys : {40, 200}) {
      for (bool forward : {true, false}) {
        EXPECT_EQ(attention(kMeta, dtype, keys, forward), attention(Device{}, dtype, keys, forward))
            << name(dtype) << " " << keys << " " << forward;
      }
    }
  }
  set_num_threads(threads);
}

TEST(Storage, GivesItsMemoryBackAndTakesMemoryAgain) {
  auto what = std::make_shared<const std::string>("the parameters of block 'b' are");
  int64_t before = allocator::stats().current_bytes;
  Array array = Array::full({1 << 20}, 3);
  Array view = array.slice(0, 5, 10);
  uint32_t version = array.storage()->version();
  array.storage()->drop(what);
  EXPECT_EQ(allocator::stats().current_bytes, before);
  EXPECT_TRUE(array.storage()->dropped());
  EXPECT_EQ(view.shape(), (Dims{5}));
  EXPECT_EQ(error_of([&] { doubles(view); }), "the parameters of block 'b' are not gathered here");
  array.storage()->drop(what);  // nothing more to give
  array.storage()->refill();
  array.storage()->refill();
  array.fill_(4);
  EXPECT_EQ(doubles(view), std::vector<double>(5, 4));
  EXPECT_EQ(array.storage()->version(), version) << "neither counts as a change";
  array.storage()->drop(what);
  view = array = {};
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

}  // namespace
}  // namespace tessera
