#include "distributed/comm/fake_communicator.h"

#include <gtest/gtest.h>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using Values = std::vector<double>;

Array numbers(int64_t count) { return Array::arange(count, DType::f32); }

TEST(FakeCommunicator, ReducesAsIfAllRanksHadTheSame) {
  FakeCommunicator comm(1, 4);
  Array sum = numbers(3);
  comm.all_reduce(sum, ReduceKind::sum).wait();
  EXPECT_EQ(doubles(sum), (Values{0, 4, 8}));
  Array mean = numbers(3);
  comm.all_reduce(mean, ReduceKind::mean).wait();
  EXPECT_EQ(doubles(mean), (Values{0, 1, 2}));
  std::vector<Array> sends(4, numbers(2));
  Array shard = Array::empty({2});
  comm.reduce_scatter(sends, shard, ReduceKind::sum).wait();
  EXPECT_EQ(doubles(shard), (Values{0, 4}));
}

TEST(FakeCommunicator, FillsInWhatOthersWouldSend) {
  FakeCommunicator comm(0, 3);
  std::vector<Array> recvs{numbers(2), Array::full({2}, 9), Array::full({3}, 9)};
  comm.all_gather(recvs[0], recvs).wait();
  EXPECT_EQ(doubles(recvs[1]), (Values{0, 1}));
  EXPECT_EQ(doubles(recvs[2]), (Values{0, 0, 0})) << "of another size";
  Array received = Array::full({2}, 9);
  comm.recv(received, 1, 0).wait();
  EXPECT_EQ(doubles(received), (Values{0, 0}));
  Array kept = numbers(2);
  comm.broadcast(kept, 2).wait();
  EXPECT_EQ(doubles(kept), (Values{0, 1}));
  comm.barrier().wait();
}

TEST(FakeCommunicator, CountsBytesSent) {
  FakeCommunicator comm(0, 4);
  auto sent = [&, before = int64_t{0}]() mutable {
    int64_t now = comm.sent_bytes() - before;
    before += now;
    return now;
  };
  comm.all_reduce(numbers(100), ReduceKind::sum);
  EXPECT_EQ(sent(), 300 + 300);
  std::vector<Array> shards(4, numbers(25));
  comm.reduce_scatter(shards, shards[0], ReduceKind::sum);
  EXPECT_EQ(sent(), 300);
  comm.all_gather(shards[0], shards);
  EXPECT_EQ(sent(), 300);
  comm.all_to_all(shards, std::vector<Array>(4, numbers(25)));
  EXPECT_EQ(sent(), 300);
  comm.broadcast(numbers(10), 0);
  EXPECT_EQ(sent(), 120);
  comm.broadcast(numbers(10), 1);
  EXPECT_EQ(sent(), 0);
  comm.gather(numbers(10), {}, 1);
  EXPECT_EQ(sent(), 40);
  comm.send(numbers(10), 2, 0);
  comm.send(numbers(10), 0, 0);
  comm.barrier();
  EXPECT_EQ(sent(), 40);
}

TEST(FakeCommunicator, NeedsNoData) {
  FakeCommunicator comm(0, 1024);
  Dims shape{int64_t{1} << 34};
  Device meta{DeviceType::meta};
  Array array(Storage::wrap(nullptr, size_t{1} << 36, meta, nullptr), DType::f32, shape, {1}, 0);
  comm.all_reduce(array, ReduceKind::sum).wait();
  EXPECT_GT(comm.sent_bytes(), int64_t{1} << 36);
}

TEST(FakeCommunicator, ListsCallsAlikeOnAllRanks) {
  auto calls_of = [](int rank, int64_t count) {
    FakeCommunicator comm(rank, 3);
    comm.all_reduce(numbers(count), ReduceKind::max);
    comm.barrier();
    return comm.calls();
  };
  std::vector<Call> first = calls_of(0, 5);
  std::vector<Call> last = calls_of(2, 5);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(describe(first[0]), "all_reduce(max, f32, 5 elements)");
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(mismatch(first[i], 0, last[i], 2), std::nullopt);
  EXPECT_NE(mismatch(first[0], 0, calls_of(1, 6)[0], 1), std::nullopt);
}

TEST(FakeCommunicator, ChecksArgumentsAsOthersDo) {
  EXPECT_NE(error_of([] { FakeCommunicator(3, 3); }), "");
  FakeCommunicator comm(0, 3);
  EXPECT_EQ(error_of([&] { comm.broadcast(numbers(2), 3); }),
            "[broadcast] expected a rank in [0, 3), got 3");
  EXPECT_NE(error_of([&] { comm.all_gather(numbers(2), {}); }), "");
  EXPECT_NE(error_of([&] { comm.split(0, 0); }), "");
  EXPECT_EQ(FakeCommunicator(0, 1).split(0, 0)->size(), 1);
  EXPECT_TRUE(comm.calls().empty());
  comm.abort("enough");
  EXPECT_EQ(error_of([&] { comm.barrier(); }), "[barrier #0] rank 0: aborted by rank 0: enough");
}

}  // namespace
}  // namespace tessera
