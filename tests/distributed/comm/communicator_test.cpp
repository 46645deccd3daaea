#include "distributed/comm/communicator.h"

#include <gtest/gtest.h>

#include <vector>

#include "distributed/comm/direct/thread_communicator.h"
#include "distributed/comm/fake_communicator.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;

// Notes what it is asked for, as a backend with streams would tell the two apart.
class NotingState : public Work::State {
 public:
  void order_stream() override { asked.emplace_back("order_stream"); }
  void join(milliseconds timeout) override {
    asked.push_back(fmt::format("join {}", timeout.count()));
  }
  milliseconds default_timeout() const override { return milliseconds(1234); }

  std::vector<std::string> asked;
};

using Asked = std::vector<std::string>;

TEST(Work, OrdersTheStreamOrBlocksTheHost) {
  auto state = std::make_shared<NotingState>();
  Work work(state);
  work.wait();
  EXPECT_EQ(state->asked, (Asked{"order_stream"}));
  work.join();
  EXPECT_EQ(state->asked, (Asked{"order_stream", "join 1234"}));
  Work copy = work;
  copy.join(milliseconds(7));
  EXPECT_EQ(state->asked, (Asked{"order_stream", "join 1234", "join 7"}));
}

TEST(Work, IsDoneByDefault) {
  Work work;
  work.wait();
  work.join();
  work.join(milliseconds(0));
}

// The CPU's stream has no queue: what is ordered after a transfer finds its data.
TEST(Work, WaitingOnTheCpuBringsTheData) {
  auto group = ThreadGroup::make(1);
  auto comm = group->rank(0);
  Array from = Array::full({3}, 2);
  Array to = Array::full({3}, 0);
  Work recv = comm->recv(to, 0);
  Work send = comm->send(from, 0);
  recv.wait();
  EXPECT_EQ(to.to_vector<float>(), std::vector<float>(3, 2));
  send.wait();
}

TEST(Work, WaitingOnTheCpuIsBoundedToo) {
  auto group = ThreadGroup::make(2, {.timeout = milliseconds(20)});
  auto comm = group->rank(0);
  auto other = group->rank(1);
  Work work = comm->barrier();
  EXPECT_NE(test::error_of([&] { work.wait(); }), "");
}

TEST(Communicator, SaysItsDeviceAndItsOrder) {
  auto comm = make_self_communicator();
  EXPECT_EQ(comm->device(), Device{});
  EXPECT_TRUE(comm->reduces_in_rank_order());
  FakeCommunicator fake(1, 2, {DeviceType::meta});
  EXPECT_EQ(fake.device(), Device{DeviceType::meta});
  EXPECT_EQ(fake.allocate({2}, DType::f32).device(), fake.device());
  EXPECT_TRUE(fake.reduces_in_rank_order());
}

TEST(Communicator, RefusesArraysOfAnotherDevice) {
  auto comm = make_self_communicator();
  FakeCommunicator fake(0, 1, {DeviceType::meta});
  Array there = fake.allocate({2}, DType::f32);
  EXPECT_EQ(test::error_of([&] { comm->all_reduce(there); }),
            "[all_reduce] expected an array of the communicator's device, cpu, got one of meta");
}

}  // namespace
}  // namespace tessera
