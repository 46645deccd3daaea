#include "core/allocator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/storage.h"
#include "tests/support/error_of.h"

#if defined(__SANITIZE_ADDRESS__)
// The sanitizer ends the process on a request that cannot be met, unless told otherwise.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#endif

namespace tessera {
namespace {

using test::contains;
using test::error_of;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCaches = false;
#else
constexpr bool kCaches = true;
#endif

TEST(Allocator, AlignsEveryBlockTo64Bytes) {
  for (size_t bytes = 1; bytes < (size_t{8} << 20); bytes = bytes * 5 / 4 + 1) {
    void* block = allocator::allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0U) << bytes;
    std::memset(block, 0x5a, bytes);
    allocator::deallocate(block, bytes);
  }
}

TEST(Allocator, MapsLargeBlocksAtHugePages) {
  if (!kCaches) return;
  for (size_t bytes : {size_t{1} << 20, size_t{3} << 20}) {
    void* block = allocator::allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % (size_t{2} << 20), 0U);
    allocator::deallocate(block, bytes);
  }
}

TEST(Allocator, HandsABlockOutAgain) {
  if (!kCaches) return;
  for (size_t bytes : {64, 1000, 100000, 5000000}) {
    void* first = allocator::allocate(bytes);
    allocator::deallocate(first, bytes);
    int64_t reserved = allocator::stats().reserved_bytes;
    void* second = allocator::allocate(bytes - 3);  // the same size class
    EXPECT_EQ(first, second) << bytes;
    EXPECT_EQ(allocator::stats().reserved_bytes, reserved);
    allocator::deallocate(second, bytes - 3);
  }
}

TEST(Allocator, GivesNothingForNoBytes) {
  MemoryStats before = allocator::stats();
  EXPECT_EQ(allocator::allocate(0), nullptr);
  allocator::deallocate(nullptr, 0);
  EXPECT_EQ(allocator::stats().current_bytes, before.current_bytes);
}

TEST(Allocator, CountsCurrentPeakAndReservedBytes) {
  int64_t before = allocator::stats().current_bytes;
  allocator::reset_peak();
  void* a = allocator::allocate(4096);
  void* b = allocator::allocate(size_t{2} << 20);
  EXPECT_EQ(allocator::stats().current_bytes, before + 4096 + (2 << 20));
  EXPECT_GE(allocator::stats().reserved_bytes, allocator::stats().current_bytes);
  allocator::deallocate(b, size_t{2} << 20);
  EXPECT_EQ(allocator::stats().current_bytes, before + 4096);
  EXPECT_EQ(allocator::stats().peak_bytes, before + 4096 + (2 << 20));
  allocator::reset_peak();
  EXPECT_EQ(allocator::stats().peak_bytes, before + 4096);
  allocator::deallocate(a, 4096);
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

TEST(Allocator, RoundsUpByAnEighthAtMost) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 200; ++i) {
    size_t bytes = 1 + random() % (size_t{1} << (6 + random() % 17));
    int64_t before = allocator::stats().current_bytes;
    void* block = allocator::allocate(bytes);
    auto taken = static_cast<size_t>(allocator::stats().current_bytes - before);
    EXPECT_GE(taken, bytes);
    EXPECT_LE(taken, bytes + bytes / 8 + 64);
    allocator::deallocate(block, bytes);
    EXPECT_EQ(allocator::stats().current_bytes, before);
  }
}

TEST(Allocator, ReturnsKeptLargeBlocksToTheSystem) {
  allocator::release_cached();
  int64_t before = allocator::stats().reserved_bytes;
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(allocator::allocate(size_t{3} << 20));
  EXPECT_GE(allocator::stats().reserved_bytes, before + (12 << 20));
  for (void* block : blocks) allocator::deallocate(block, size_t{3} << 20);
  allocator::release_cached();
  EXPECT_EQ(allocator::stats().reserved_bytes, before);
  void* again = allocator::allocate(size_t{3} << 20);  // and the class still works
  std::memset(again, 1, size_t{3} << 20);
  allocator::deallocate(again, size_t{3} << 20);
}

TEST(Allocator, SaysThatAHugeRequestCannotBeMet) {
  MemoryStats before = allocator::stats();
  for (size_t bytes : {size_t{1} << 47, (size_t{1} << 47) + 1, std::numeric_limits<size_t>::max(),
                       std::numeric_limits<size_t>::max() - 100}) {
    EXPECT_TRUE(contains(error_of([&] { allocator::allocate(bytes); }),
                         fmt::format("[allocate] the system has no {} bytes left; ", bytes)));
  }
  EXPECT_EQ(allocator::stats().current_bytes, before.current_bytes);
  EXPECT_EQ(allocator::stats().peak_bytes, before.peak_bytes);
  void* block = allocator::allocate(100);  // still in order
  EXPECT_NE(block, nullptr);
  allocator::deallocate(block, 100);
}

TEST(Allocator, NeverGivesOneBlockToTwoThreads) {
  int64_t before = allocator::stats().current_bytes;
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  std::vector<int> clashes(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t, &clashes] {
      std::mt19937 random(static_cast<unsigned>(t));
      struct Live {
        unsigned char* data;
        size_t bytes;
      };
      std::vector<Live> live;
      auto drop = [&](size_t i) {
        for (size_t at : {size_t{0}, live[i].bytes / 2, live[i].bytes - 1}) {
          clashes[static_cast<size_t>(t)] += live[i].data[at] != t;
        }
        allocator::deallocate(live[i].data, live[i].bytes);
        live[i] = live.back();
        live.pop_back();
      };
      for (int round = 0; round < 3000; ++round) {
        if (live.size() > 20) drop(random() % live.size());
        size_t bytes = 1 + random() % (round % 100 == 0 ? 2000000 : 5000);
        auto* data = static_cast<unsigned char*>(allocator::allocate(bytes));
        std::memset(data, t, bytes);
        live.push_back({data, bytes});
      }
      while (!live.empty()) drop(live.size() - 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(clashes, std::vector<int>(kThreads));
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

TEST(Storage, RunsTheReleaseOfWrappedMemoryOnce) {
  int released = 0;
  float values[4] = {};
  {
    auto storage = Storage::wrap(values, sizeof values, {}, [&] { ++released; });
    auto shared = storage;
    EXPECT_EQ(storage->bytes(), sizeof values);
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
  Storage::wrap(values, sizeof values, {}, nullptr);  // nothing to do is fine
}

TEST(Storage, RefusesDevicesWithoutMemory) {
  EXPECT_EQ(error_of([] { Storage::allocate(8, {DeviceType::meta})->data(); }),
            "an array on meta has no elements");
  std::string error = error_of([] { Storage::allocate(8, {DeviceType::cuda, 1000}); });
  EXPECT_TRUE(test::contains(error, "[cuda] there is no device cuda:1000: "));
}

}  // namespace
}  // namespace tessera
