#include "distributed/comm/direct/shared_windows.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>

#include "core/allocator.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;

constexpr int64_t kMiB = int64_t{1} << 20;

// Two ranks, which need not be two processes for this.
struct Pair {
  SharedWindows a{0, 2};
  SharedWindows b{1, 2};

  Pair() {
    std::vector<SharedWindows::Card> cards{a.card(), b.card()};
    auto met_by_a = a.meet(cards);
    auto met_by_b = b.meet(cards);
    std::vector<uint8_t> met{0, met_by_a[1], met_by_b[0], 0};
    a.settle(met);
    b.settle(met);
  }
};

TEST(SharedWindows, ReachTheirNeighboursMemory) {
  Pair ranks;
  ASSERT_TRUE(ranks.a.has(1));
  ASSERT_TRUE(ranks.b.has(0));
  auto storage = ranks.a.allocate(1000);
  std::memset(storage->data(), 7, 1000);
  Place place = ranks.a.place_of(storage->data() + 100, 50);
  ASSERT_TRUE(place.defined());
  std::byte* there = ranks.b.reach(0, place, 50);
  EXPECT_NE(there, storage->data() + 100);
  EXPECT_EQ(there[49], std::byte{7});
  there[0] = std::byte{9};
  EXPECT_EQ(storage->data()[100], std::byte{9});
}

TEST(SharedWindows, KnowWhatIsNotTheirs) {
  Pair ranks;
  std::vector<std::byte> ordinary(100);
  EXPECT_FALSE(ranks.a.place_of(ordinary.data(), 100).defined());
  auto storage = ranks.a.allocate(100);
  EXPECT_FALSE(ranks.b.place_of(storage->data(), 100).defined());
}

TEST(SharedWindows, MeetNobodyWhoIsElsewhereOrAnother) {
  SharedWindows a(0, 2);
  SharedWindows b(1, 2);
  EXPECT_EQ(a.meet(std::vector{a.card(), b.card()}), (std::vector<uint8_t>{0, 1}));
  auto other_node = b.card();
  other_node.node[0] ^= 1;
  auto other_secret = b.card();
  other_secret.secret ^= 1;
  auto other_file = b.card();
  other_file.home = 0;
  auto no_process = b.card();
  no_process.process = int64_t{1} << 40;
  for (const auto& card : {other_node, other_secret, other_file, no_process}) {
    SharedWindows alone(0, 2);
    EXPECT_EQ(alone.meet(std::vector{alone.card(), card}), (std::vector<uint8_t>{0, 0}));
    EXPECT_FALSE(alone.has(1));
  }
}

TEST(SharedWindows, AreNoNeighboursWhereOnlyOneReachesTheOther) {
  SharedWindows a(0, 2);
  SharedWindows b(1, 2);
  EXPECT_EQ(a.meet(std::vector{a.card(), b.card()})[1], 1);
  a.settle({0, 1, 0, 0});
  EXPECT_FALSE(a.has(1));
}

TEST(SharedWindows, RefusePlacesOutsideTheirWindow) {
  Pair ranks;
  auto storage = ranks.a.allocate(100);
  Place place = ranks.a.place_of(storage->data(), 100);
  EXPECT_TRUE(contains(error_of([&] {
                         ranks.b.reach(0, {place.window, int64_t{1} << 40}, 8);
                       }),
                       "outside its window"));
  EXPECT_TRUE(contains(error_of([&] {
                         ranks.b.reach(0, {place.window, -1}, 8);
                       }),
                       "outside its window"));
  EXPECT_TRUE(contains(error_of([&] { ranks.b.reach(0, {77, 0}, 8); }), "/proc/"));
  EXPECT_TRUE(contains(error_of([&] { ranks.b.reach(0, {1 << 20, 0}, 8); }), "a window 1048576"));
}

TEST(SharedWindows, UseMemoryAgain) {
  SharedWindows windows(0, 1);
  int64_t before = allocator::stats().current_bytes;
  auto first = windows.allocate(static_cast<size_t>(kMiB));
  auto second = windows.allocate(static_cast<size_t>(kMiB));
  auto third = windows.allocate(static_cast<size_t>(kMiB));
  EXPECT_EQ(allocator::stats().current_bytes, before + 3 * kMiB);
  std::byte* at = first->data();
  EXPECT_EQ(second->data(), at + kMiB);
  // Freed in another order than they were made, they join.
  first.reset();
  third.reset();
  second.reset();
  EXPECT_EQ(allocator::stats().current_bytes, before);
  EXPECT_EQ(windows.allocate(static_cast<size_t>(3 * kMiB))->data(), at);
}

TEST(SharedWindows, GrowByAnotherWindow) {
  Pair ranks;
  auto first = ranks.a.allocate(size_t{900} << 20);
  auto second = ranks.a.allocate(size_t{1100} << 20);  // addresses, not pages
  second->data()[5] = std::byte{3};
  Place place = ranks.a.place_of(second->data(), 8);
  EXPECT_NE(place.window, ranks.a.place_of(first->data(), 8).window);
  EXPECT_EQ(ranks.b.reach(0, place, 8)[5], std::byte{3});
}

// A limit on the size of files holds for these too.
TEST(SharedWindows, GiveOrdinaryMemoryWhereTheSystemGivesNoMore) {
  SharedWindows windows(0, 1);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit low{static_cast<rlim_t>(64 * kMiB), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &low), 0);
  auto small = windows.allocate(static_cast<size_t>(kMiB));
  auto large = windows.allocate(static_cast<size_t>(100 * kMiB));
  bool made = error_of([] { SharedWindows(0, 1); }).empty();
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(windows.place_of(small->data(), 8).defined());
  EXPECT_FALSE(windows.place_of(large->data(), 8).defined());
  EXPECT_EQ(large->bytes(), static_cast<size_t>(100 * kMiB));
  EXPECT_FALSE(made);
}

TEST(SharedWindows, StorageOutlivesThem) {
  std::shared_ptr<Storage> storage;
  {
    SharedWindows windows(0, 1);
    storage = windows.allocate(100);
  }
  storage->data()[0] = std::byte{1};
}

TEST(SharedWindows, TellInLines) {
  Pair ranks;
  constexpr int kContext = 5;
  EXPECT_EQ(ranks.b.line_from(kContext, 0), nullptr);
  Line& out = ranks.a.line_to(kContext, 1);
  const Line* in = ranks.b.line_from(kContext, 0);
  ASSERT_NE(in, nullptr);
  EXPECT_EQ(in->slots[3].told.load(), 0U);
  out.slots[3].call.elements = 42;
  out.slots[3].told.store(4);
  EXPECT_EQ(in->slots[3].told.load(), 4U);
  EXPECT_EQ(in->slots[3].call.elements, 42);
}

TEST(SharedWindows, KeepLinesThatNeighboursStillRead) {
  Pair ranks;
  ranks.a.line_to(5, 1).slots[0].told.store(1);
  ranks.b.line_to(5, 0);
  ranks.a.leave(5);
  ranks.a.line_to(6, 1);  // looks for lines to use again
  EXPECT_FALSE(ranks.b.has_left(5, 0));
  EXPECT_EQ(ranks.b.line_from(5, 0)->slots[0].told.load(), 1U);

  ranks.b.line_to(5, 0).taken.store(1);
  Line& next = ranks.a.line_to(7, 1);
  EXPECT_TRUE(ranks.b.has_left(5, 0));
  EXPECT_EQ(error_of([&] { ranks.b.line_from(5, 0); }), "the peer is gone");
  EXPECT_EQ(next.slots[0].told.load(), 0U);
}

}  // namespace
}  // namespace tessera
