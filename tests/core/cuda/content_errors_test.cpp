// What is wrong with the content of arrays on a device: the host hears of it when it waits.
#include <thread>

#include "core/call_place.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/check.h"
#include "core/kernels/gather.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaContentErrors = CudaTest;

// Rows of a table of 5, by an index with these entries.
Array rows_at(const std::vector<int64_t>& index) {
  Array table = Array::full({5, 3}, 1, DType::f32, kCuda);
  auto count = static_cast<int64_t>(index.size());
  Array out = Array::empty({count, 3}, DType::f32, kCuda);
  kernels(kCuda).gather().rows(table, Array::from(index, {count}).to(kCuda), out);
  return out;
}

TEST_F(CudaContentErrors, ComeWhereTheHostLooks) {
  for_seeds([] {
    Array out = rows_at({0, 4, 7, 1, -2});
    EXPECT_EQ(error_of([&] { out.to_vector<float>(); }),
              "[embedding] expected an index in [0, 5), got 7 at 2");
    // Once: what was not touched is as usual.
    EXPECT_EQ(out.to_vector<float>()[0], 1);
  });
}

TEST_F(CudaContentErrors, NameTheModuleAndThePlaceOfTheCall) {
  std::string path = "blocks.0.tokens";
  {
    InModule module(path);
    NotedCall call(CallSite("net.cpp", 12));
    rows_at({5});
  }
  NotedCall later(CallSite("train.cpp", 99));
  EXPECT_EQ(error_with_place([] { backend(kCuda).synchronize(); }),
            "[embedding] expected an index in [0, 5), got 5 at 0, in module 'blocks.0.tokens', "
            "called at net.cpp:12");
}

TEST_F(CudaContentErrors, TheFirstOfSeveralIsTold) {
  for_seeds([] {
    rows_at({1});
    rows_at({0, 0, 6});
    rows_at({9});
    EXPECT_EQ(error_of([] { backend(kCuda).synchronize(); }),
              "[embedding] expected an index in [0, 5), got 6 at 2");
    backend(kCuda).synchronize();
  });
}

TEST_F(CudaContentErrors, BelongToTheStreamOfTheirThread) {
  rows_at({8});
  std::thread([] {
    rows_at({1});
    EXPECT_EQ(error_of([] { backend(kCuda).synchronize(); }), "");
  }).join();
  EXPECT_NE(error_of([] { backend(kCuda).synchronize(); }), "");
}

TEST_F(CudaContentErrors, FollowTheDataToWhoWaitsForIt) {
  Backend& device = backend(kCuda);
  Stream other = device.make_stream();
  Array out;
  Event looked;
  {
    OnStream on(kCuda, other);
    out = rows_at({5, 0});
    looked = device.record();
  }
  device.order_after(looked);
  EXPECT_EQ(error_of([&] { out.to_vector<float>(); }),
            "[embedding] expected an index in [0, 5), got 5 at 0");
  out.to_vector<float>();
  if (cuda::availability().num_devices < 2) return;
  Array there = rows_at({0, 6}).to(Device{DeviceType::cuda, 1});
  EXPECT_EQ(error_of([&] { there.to_vector<float>(); }),
            "[embedding] expected an index in [0, 5), got 6 at 1");
  EXPECT_EQ(error_of([&] { device.synchronize(); }), "") << "told already";
}

TEST_F(CudaContentErrors, OfAThreadThatAskedForNoneAreNobodyElses) {
  std::thread([] { rows_at({8}); }).join();
  std::thread([] {
    rows_at({1});
    EXPECT_EQ(error_of([] { backend(kCuda).synchronize(); }), "");
  }).join();
}

TEST_F(CudaContentErrors, TheDeviceKnowsWhetherThereIsOne) {
  Array right = Array::empty({}, DType::boolean, kCuda);
  rows_at({1});
  kernels(kCuda).check().nothing_wrong(right);
  EXPECT_TRUE(right.item<bool>());
  rows_at({7});
  kernels(kCuda).check().nothing_wrong(right);
  EXPECT_NE(error_of([&] { right.item<bool>(); }), "");
  EXPECT_FALSE(right.item<bool>());
}

TEST_F(CudaContentErrors, WaitingForAnEarlierMomentIsNoTimeForLaterOnes) {
  Backend& device = backend(kCuda);
  rows_at({1});
  Event before = device.record();
  rows_at({5});
  // On a GPU the later kernel may be done already, and it may be told then.
  std::string early = error_of([&] { device.wait(before); });
  std::string late = error_of([&] { device.synchronize(); });
  EXPECT_EQ(early + late, "[embedding] expected an index in [0, 5), got 5 at 0");
}

TEST_F(CudaContentErrors, IntegersThatCannotBeDividedOrRaised) {
  auto compute = [](BinaryOp op, std::vector<int64_t> a, std::vector<int64_t> b) {
    auto count = static_cast<int64_t>(a.size());
    Array out = Array::empty({count}, DType::i64, kCuda);
    kernels(kCuda).binary().run(op, Array::from(a, {count}).to(kCuda),
                                Array::from(b, {count}).to(kCuda), out);
    return out;
  };
  int64_t least = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(compute(BinaryOp::floor_divide, {7, -7, least}, {2, 2, -1}).to_vector<int64_t>(),
            (std::vector<int64_t>{3, -4, least}));
  EXPECT_EQ(compute(BinaryOp::remainder, {7, -7, least}, {-2, 2, -1}).to_vector<int64_t>(),
            (std::vector<int64_t>{-1, 1, 0}));
  EXPECT_EQ(compute(BinaryOp::pow, {3, -2, 5}, {4, 3, 0}).to_vector<int64_t>(),
            (std::vector<int64_t>{81, -8, 1}));
  for (auto [op, name] : {std::pair(BinaryOp::fmod, "fmod"),
                          {BinaryOp::remainder, "remainder"},
                          {BinaryOp::floor_divide, "floor_divide"},
                          {BinaryOp::trunc_divide, "trunc_divide"}}) {
    Array out = compute(op, {1, 2}, {1, 0});
    EXPECT_EQ(error_of([&] { out.to_vector<int64_t>(); }),
              fmt::format("[{}] expected integers other than 0 as divisors, got 0", name));
  }
  Array out = compute(BinaryOp::pow, {2, 2}, {1, -3});
  EXPECT_EQ(error_of([&] { out.to_vector<int64_t>(); }),
            "[pow] expected powers of integers that are not negative, got -3");
}

TEST_F(CudaContentErrors, AConditionThatIsNotMet) {
  auto check = [](Device device, const std::vector<bool>& met) {
    Array all = Array::zeros({static_cast<int64_t>(met.size()), 2}, DType::boolean);
    for (size_t i = 0; i < met.size(); ++i) {
      all.select(0, static_cast<int64_t>(i)).fill_(met[i] ? 1 : 0);
    }
    Array one = all.to(device).select(1, 1);
    kernels(device).check().all(
        one, [](int64_t position) { return fmt::format("[test] wrong at {}", position); });
    backend(device).synchronize();
  };
  for (Device device : {Device{}, kCuda}) {
    EXPECT_EQ(error_of([&] { check(device, {true, true}); }), "");
    EXPECT_EQ(error_of([&] { check(device, {true, false, false}); }), "[test] wrong at 1");
    EXPECT_EQ(error_of([&] { check(device, {}); }), "");
  }
}

}  // namespace
}  // namespace tessera::test
