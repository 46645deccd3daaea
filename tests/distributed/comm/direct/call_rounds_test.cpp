#include "distributed/comm/direct/call_rounds.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <thread>

#include "distributed/comm/direct/direct_communicator.h"
#include "distributed/comm/direct/tags.h"
#include "distributed/comm/direct/thread_transport.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

// Hands everything on to a thread's transport, and counts the messages sent, by tag.
class CountingTransport final : public Transport {
 public:
  CountingTransport(std::shared_ptr<ThreadHub> hub, int rank) : inner_(std::move(hub), rank) {}

  std::map<int, int64_t> take_counts() { return std::exchange(sent_, {}); }

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  std::unique_ptr<Message> send(Route route, std::span<const std::byte> bytes,
                                std::shared_ptr<const void> owner) override {
    ++sent_[route.tag];
    return inner_.send(route, bytes, std::move(owner));
  }
  std::unique_ptr<Message> receive(Route route, std::span<std::byte> bytes,
                                   std::shared_ptr<const void> owner) override {
    return inner_.receive(route, bytes, std::move(owner));
  }
  void fail(int context, std::span<const int> members, const std::string& message) override {
    inner_.fail(context, members, message);
  }
  std::optional<Failure> failure(int context) override { return inner_.failure(context); }
  void look_for_failures() override { inner_.look_for_failures(); }
  void leave(int context) override { inner_.leave(context); }
  void idle(int round) override { inner_.idle(round); }
  int take_world() override { return inner_.take_world(); }
  int next_split() override { return inner_.next_split(); }
  void take_split(int number) override { inner_.take_split(number); }

 private:
  ThreadTransport inner_;
  std::map<int, int64_t> sent_;
};

// fn(communicator, its transport) on every rank, each in its own thread.
template <class F>
void run_counted(int num_ranks, F&& fn) {
  auto hub = std::make_shared<ThreadHub>(num_ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      auto transport = std::make_shared<CountingTransport>(hub, rank);
      DirectCommunicator comm(transport, {.timeout = std::chrono::seconds(60)});
      try {
        fn(comm, *transport);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << rank << ": " << error.what();
        comm.abort(error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// ceil(log2 n).
int64_t log2_of(int n) {
  int64_t log = 0;
  while ((int64_t{1} << log) < n) ++log;
  return log;
}

int64_t direct_or_rounds(int n) { return n <= 8 ? n - 1 : log2_of(n); }

using Counts = std::map<int, int64_t>;
constexpr int kNumbers[] = {1, 2, 3, 4, 5, 8, 9, 13, 16, 17, 33, 64};

TEST(CallRounds, TakeALogarithmOfMessages) {
  for (int n : kNumbers) {
    run_counted(n, [n](Communicator& comm, CountingTransport& transport) {
      auto calls_of = [&](const auto& collective) {
        transport.take_counts();
        collective();
        Counts counts = transport.take_counts();
        return counts[kCallTag] + counts[kPairTag];
      };
      Array small = Array::full({12}, 1);
      std::vector<Array> all;
      for (int p = 0; p < n; ++p) all.push_back(Array::full({3}, p));
      Array shard = Array::empty({3});
      auto own = static_cast<size_t>(comm.rank());
      EXPECT_EQ(calls_of([&] { comm.barrier().join(); }), direct_or_rounds(n)) << n;
      EXPECT_EQ(calls_of([&] { comm.all_reduce(small).join(); }), direct_or_rounds(n)) << n;
      EXPECT_EQ(small.to_vector<float>()[11], n);
      EXPECT_EQ(calls_of([&] { comm.broadcast(small, n - 1).join(); }), direct_or_rounds(n)) << n;
      EXPECT_EQ(calls_of([&] { comm.all_gather(all[own], all).join(); }), direct_or_rounds(n));
      EXPECT_EQ(calls_of([&] { comm.reduce_scatter(all, shard).join(); }), direct_or_rounds(n));
      EXPECT_EQ(calls_of([&] { comm.split(0, 0); }), direct_or_rounds(n)) << n;
    });
  }
}

TEST(CallRounds, LargeArraysTakeNoMore) {
  run_counted(16, [](Communicator& comm, CountingTransport& transport) {
    Array large = Array::full({300000}, 1);
    transport.take_counts();
    comm.all_reduce(large).join();
    EXPECT_EQ(transport.take_counts()[kCallTag], 4);
    EXPECT_EQ(large.to_vector<float>()[299999], 16);
  });
}

// What only two ranks know goes between those two, besides the rounds.
TEST(CallRounds, LeaveSizesOfPairsToThem) {
  constexpr int kRanks = 13;
  run_counted(kRanks, [](Communicator& comm, CountingTransport& transport) {
    std::vector<Array> sends;
    std::vector<Array> recvs;
    for (int p = 0; p < kRanks; ++p) {
      sends.push_back(Array::full({(comm.rank() + p) % 3}, comm.rank()));
      recvs.push_back(Array::full({(comm.rank() + p) % 3}, -1));
    }
    transport.take_counts();
    comm.all_to_all(sends, recvs).join();
    Counts counts = transport.take_counts();
    EXPECT_EQ(counts[kCallTag], 4);
    EXPECT_EQ(counts[kPairTag], kRanks - 1);
    for (int p = 0; p < kRanks; ++p) {
      for (float value : recvs[static_cast<size_t>(p)].to_vector<float>()) EXPECT_EQ(value, p);
    }
    bool is_root = comm.rank() == 5;
    std::vector<Array> of_ranks;
    for (int p = 0; p < kRanks && is_root; ++p) of_ranks.push_back(Array::full({p}, -1));
    Array own = Array::full({comm.rank()}, comm.rank());
    comm.gather(own, of_ranks, 5).join();
    counts = transport.take_counts();
    EXPECT_EQ(counts[kCallTag], 4);
    EXPECT_EQ(counts[kPairTag], is_root ? kRanks - 1 : 1);
    if (is_root) {
      EXPECT_EQ(of_ranks[12].to_vector<float>(), std::vector<float>(12, 12));
    }
  });
}

// The error of each rank when the ranks in `odd` call something else.
std::vector<std::string> errors_of(int n, const std::vector<int>& odd) {
  std::vector<std::string> errors(static_cast<size_t>(n));
  run_counted(n, [&](Communicator& comm, CountingTransport&) {
    bool is_odd = std::find(odd.begin(), odd.end(), comm.rank()) != odd.end();
    comm.set_where([=] { return is_odd ? "layers.odd" : "layers.even"; });
    Array array = Array::full({6}, 1);
    errors[static_cast<size_t>(comm.rank())] = test::error_of([&] {
      if (is_odd) comm.broadcast(array, 0).join();
      else comm.all_reduce(array).join();
    });
  });
  return errors;
}

// Whoever differs, and however many do: every rank has both calls, with their places.
TEST(CallRounds, NameBothCallsOnEveryRank) {
  constexpr int kRanks = 11;
  for (const std::vector<int>& odd :
       {std::vector<int>{0}, {4}, {10}, {3, 7}, {0, 1, 2, 3, 4, 5}, {1, 3, 5, 7, 9}}) {
    for (const std::string& error : errors_of(kRanks, odd)) {
      EXPECT_TRUE(test::contains(error, "ranks called different operations"));
      EXPECT_TRUE(test::contains(error,
                                 "all_reduce(sum, f32, 6 elements) (#0) at "
                                 "direct/call_rounds_test.cpp:"));
      EXPECT_TRUE(test::contains(error,
                                 "broadcast(f32, 6 elements, root 0) (#0) at "
                                 "direct/call_rounds_test.cpp:"));
      EXPECT_TRUE(test::contains(error, "in layers.even"));
      EXPECT_TRUE(test::contains(error, "in layers.odd"));
    }
  }
}

TEST(CallRounds, SayNothingOfPairsToOthers) {
  constexpr int kRanks = 9;
  run_counted(kRanks, [](Communicator& comm, CountingTransport&) {
    std::vector<Array> sends(kRanks, Array::full({2}, 1));
    std::vector<Array> recvs;
    for (int p = 0; p < kRanks; ++p) recvs.push_back(Array::full({2}, 0));
    std::string error = test::error_of([&] {
      if (comm.rank() == 4) comm.barrier().join();
      else comm.all_to_all(sends, recvs).join();
    });
    EXPECT_TRUE(test::contains(error, "called all_to_all(f32, 18 elements) (#0)"));
    EXPECT_TRUE(test::contains(error, "called barrier() (#0)"));
  });
}

}  // namespace
}  // namespace tessera
