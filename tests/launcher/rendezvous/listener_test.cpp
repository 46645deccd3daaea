#include "launcher/rendezvous/listener.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "tests/launcher/rendezvous/raw_connection.h"
#include "tests/support/error_of.h"

namespace tessera::rendezvous {
namespace {

using std::chrono::milliseconds;
using test::contains;
using test::error_of;

class Client {
 public:
  explicit Client(int port) : socket_(connect_to(port)) {}
  // As gRPC would call it.
  std::string name() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return "ipv4:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  // Whether it is closed by the other side within that time.
  bool is_closed(milliseconds wait) const {
    timeval time{wait.count() / 1000, wait.count() % 1000 * 1000};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    char byte = 0;
    ssize_t count = recv(socket_.get(), &byte, 1, 0);
    return count == 0 || (count < 0 && errno == ECONNRESET);
  }
  // Sends so many bytes; how many the other side has taken before it was too slow or gone.
  uint64_t sends(uint64_t count) const {
    timeval time{5, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    std::vector<char> piece(1 << 16);
    uint64_t sent = 0;
    while (sent < count) {
      ssize_t some = send(socket_.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
      if (some <= 0) break;
      sent += static_cast<uint64_t>(some);
    }
    return sent;
  }
  void hang_up() { socket_.reset(); }

 private:
  Descriptor socket_;
};

class ListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    listener_.start([this](Descriptor connection) {
      std::lock_guard lock(mutex_);
      taken_.push_back(std::move(connection));
      changed_.notify_all();
    });
  }
  void TearDown() override { listener_.stop(); }
  bool takes(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return taken_.size() >= count; });
  }

  Listener listener_{"127.0.0.1", 0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Descriptor> taken_;
};

constexpr milliseconds kSoon{5000};
constexpr milliseconds kMoment{200};

TEST_F(ListenerTest, HandsConnectionsOn) {
  listener_.allow(10);
  Client first(listener_.port());
  Client second(listener_.port());
  EXPECT_TRUE(takes(2));
  EXPECT_EQ(listener_.num_refused(), 0u);
}

TEST_F(ListenerTest, LetsNobodyInBeforeItIsTold) {
  Client early(listener_.port());
  EXPECT_TRUE(early.is_closed(kSoon));
  EXPECT_EQ(listener_.num_refused(), 1u);
}

TEST_F(ListenerTest, OneMoreStrangerThanThereMayBeHasToGo) {
  listener_.allow(2);
  Client first(listener_.port());
  Client second(listener_.port());
  ASSERT_TRUE(takes(2));
  EXPECT_TRUE(Client(listener_.port()).is_closed(kSoon));
  EXPECT_FALSE(first.is_closed(kMoment));
  EXPECT_EQ(listener_.num_refused(), 1u);
}

TEST_F(ListenerTest, StrangersWithTheirChanceBehindThemMakeRoomOneByOne) {
  listener_.allow(2);
  Client first(listener_.port());
  Client second(listener_.port());
  ASSERT_TRUE(takes(2));
  EXPECT_FALSE(first.is_closed(milliseconds(1100)));
  Client third(listener_.port());
  EXPECT_TRUE(takes(3));
  EXPECT_TRUE(first.is_closed(kSoon));
  EXPECT_FALSE(second.is_closed(kMoment));
  EXPECT_FALSE(third.is_closed(kMoment));
}

TEST_F(ListenerTest, WhoIsAdmittedIsNoStrangerAnyMore) {
  listener_.allow(1);
  Client first(listener_.port());
  ASSERT_TRUE(takes(1));
  listener_.admit(first.name());
  EXPECT_FALSE(first.is_closed(milliseconds(1100)));
  Client second(listener_.port());
  EXPECT_TRUE(takes(2));
  Client third(listener_.port());
  EXPECT_TRUE(third.is_closed(kSoon));
  EXPECT_FALSE(first.is_closed(kMoment));
}

TEST_F(ListenerTest, WhoHasGoneMakesRoomAtOnce) {
  listener_.allow(1);
  for (size_t i = 1; i <= 20; ++i) {
    Client client(listener_.port());
    ASSERT_TRUE(takes(i)) << i;
    std::lock_guard lock(mutex_);
    taken_.back().reset();
  }
}

TEST_F(ListenerTest, WhoHasGoneMakesRoomBehindOneWhoStays) {
  listener_.allow(2);
  Client stays(listener_.port());
  ASSERT_TRUE(takes(1));
  Client goes(listener_.port());
  ASSERT_TRUE(takes(2));
  {
    std::lock_guard lock(mutex_);
    taken_.back().reset();
  }
  Client third(listener_.port());
  EXPECT_TRUE(takes(3));
  EXPECT_FALSE(stays.is_closed(kMoment));
  EXPECT_EQ(listener_.num_refused(), 1u);  // the one that went
}

TEST_F(ListenerTest, WhoGoesWithoutACallCounts) {
  listener_.allow(3);
  Client admitted(listener_.port());
  ASSERT_TRUE(takes(1));
  Client calls(listener_.port());
  ASSERT_TRUE(takes(2));
  Client silent(listener_.port());
  ASSERT_TRUE(takes(3));
  listener_.admit(admitted.name());
  listener_.note_call(calls.name());
  usleep(100'000);
  EXPECT_EQ(listener_.num_refused(), 0u);
  {
    std::lock_guard lock(mutex_);
    taken_.clear();
  }
  usleep(200'000);
  EXPECT_EQ(listener_.num_refused(), 1u);
}

// Reads all that comes, as gRPC would, until the listener has cut the connection off or 10 s are
// over.
void read_to_the_end(const Descriptor& connection) {
  std::vector<char> buffer(1 << 20);
  pollfd readable{connection.get(), POLLIN, 0};
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end) {
    poll(&readable, 1, 100);
    if (recv(connection.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) == 0) return;
  }
}

TEST_F(ListenerTest, AStrangerThatSendsWithoutEndIsCutOff) {
  listener_.allow(2);
  Client talker(listener_.port());
  Client silent(listener_.port());
  ASSERT_TRUE(takes(2));
  std::thread reader([&] { read_to_the_end(taken_.front()); });
  constexpr uint64_t kNever = uint64_t{64} << 30;
  EXPECT_LT(talker.sends(kNever), kNever);
  reader.join();
  EXPECT_EQ(listener_.num_refused(), 1u);
  EXPECT_FALSE(silent.is_closed(kMoment));
}

TEST_F(ListenerTest, WhoIsAdmittedMaySendWithoutEnd) {
  listener_.allow(2);
  Client talker(listener_.port());
  ASSERT_TRUE(takes(1));
  listener_.admit(talker.name());
  std::thread reader([&] { read_to_the_end(taken_.front()); });
  constexpr uint64_t kMuch = uint64_t{64} << 20;
  EXPECT_EQ(talker.sends(kMuch), kMuch);
  usleep(300'000);
  EXPECT_EQ(listener_.num_refused(), 0u);
  talker.hang_up();
  reader.join();
}

TEST_F(ListenerTest, GoesOnAfterTheProcessHadNoDescriptorsLeft) {
  listener_.allow(10);
  Client waiting(listener_.port());
  ASSERT_TRUE(takes(1));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit low{256, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::optional<Client> client(listener_.port());
  std::vector<Descriptor> all;
  while (true) {
    Descriptor copy(dup(STDERR_FILENO));
    if (!copy.is_open()) break;
    all.push_back(std::move(copy));
  }
  all.pop_back();
  Client unheard(listener_.port());  // takes the last
  usleep(200'000);
  all.clear();
  EXPECT_TRUE(takes(3));
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST(Listener, NamesWhatItCannotListenOn) {
  Listener taken("127.0.0.1", 0);
  std::string port = std::to_string(taken.port());
  EXPECT_TRUE(contains(error_of([&] { Listener("127.0.0.1", taken.port()); }),
                       "cannot listen on 127.0.0.1:" + port + ": Address already in use"));
  EXPECT_TRUE(contains(error_of([] { Listener("192.0.2.1", 0); }), "cannot listen on 192.0.2.1"));
  EXPECT_TRUE(contains(error_of([] { Listener("no.such.host.invalid", 0); }),
                       "cannot listen on no.such.host.invalid"));
}

TEST(Listener, TakesLiteralAddressesOfBothKinds) {
  for (const char* host : {"0.0.0.0", "localhost", "::", "::1"}) {
    if (*host == ':' && !has_ipv6()) continue;
    EXPECT_GT(Listener(host, 0).port(), 0) << host;
  }
}

}  // namespace
}  // namespace tessera::rendezvous
