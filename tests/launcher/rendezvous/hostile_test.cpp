// A server in a process of its own, one honest agent, and all kinds of callers that mean no good.
// Throughout, the agent's beats must be answered in time, and the server must stay small.
#include <grpcpp/generic/generic_stub.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "launcher/rendezvous/authority.h"
#include "launcher/rendezvous/server.h"
#include "tests/launcher/rendezvous/raw_connection.h"
#include "tests/launcher/rendezvous/test_agent.h"
#include "tests/support/temp_dir.h"

namespace tessera::rendezvous {
namespace {

using std::chrono::milliseconds;
using test::TempDir;

constexpr int64_t kMiB = int64_t{1} << 20;
// As long as a member may be silent; an agent's lease is longer. A quiet machine takes a few
// milliseconds.
constexpr milliseconds kMaxWait{2500};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kMaxGrowth = 1024 * kMiB;  // they keep what is freed, and shadows of it
constexpr int kEndlessHeaders = 1;           // what gRPC does with one takes ten times as long
#else
constexpr int64_t kMaxGrowth = 64 * kMiB;
constexpr int kEndlessHeaders = 8;
#endif

int64_t resident_bytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Whether that came true within 10 s.
bool soon(const std::function<bool()>& holds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(50));
  }
  return true;
}

// A server that dies with its parent.
class ServerProcess {
 public:
  explicit ServerProcess(const ServerOptions& options) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) serve(options, ends[1]);
    close(ends[1]);
    if (read(ends[0], &port_, sizeof port_) != sizeof port_) port_ = 0;
    close(ends[0]);
  }
  ~ServerProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  bool lives() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  [[noreturn]] static void serve(const ServerOptions& options, int out) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
      Server server(options);
      int port = server.port();
      if (write(out, &port, sizeof port) == sizeof port) pause();
    } catch (const std::exception& error) {
      fprintf(stderr, "%s\n", error.what());
    }
    _exit(1);
  }

  pid_t pid_ = -1;
  int port_ = 0;
};

// One agent whose ranks run, with a thread of its own.
class HonestAgent {
 public:
  HonestAgent(int port, const Credentials& credentials) {
    agents_.push_back(std::make_unique<TestAgent>("honest", port, credentials));
    agents_.back()->join(job_of(1, 1));
    runs_ = pump_until(agents_, [&] { return all_are(agents_, v1::PHASE_RUNNING); });
    member_ = agent().member();
    thread_ = std::thread([this] { run(); });
  }
  ~HonestAgent() {
    stop_ = true;
    thread_.join();
  }
  HonestAgent(const HonestAgent&) = delete;
  HonestAgent& operator=(const HonestAgent&) = delete;

  MemberId member() const { return member_; }
  // Whether it has never been disturbed.
  bool is_well() {
    std::lock_guard lock(mutex_);
    return runs_ && agent().phase() == v1::PHASE_RUNNING && agent().num_joins() == 1 &&
           agent().order().kind() == v1::Order::KIND_START && agent().member() == member_;
  }
  // The longest that a beat has waited for its answer since the last call.
  milliseconds take_slowest() {
    std::lock_guard lock(mutex_);
    return agent().take_slowest();
  }

 private:
  TestAgent& agent() { return *agents_.front(); }
  void run() {
    while (!stop_) {
      {
        std::lock_guard lock(mutex_);
        agent().pump();
      }
      std::this_thread::sleep_for(milliseconds(2));
    }
  }

  TestAgents agents_;
  bool runs_ = false;
  MemberId member_ = 0;
  std::mutex mutex_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

struct Target {
  ServerOptions options{};
  std::unique_ptr<ServerProcess> server{};
  std::unique_ptr<HonestAgent> honest{};
};

// What all tests share. gRPC must not be in use when a process forks, so the servers come first.
struct World {
  World() {
    make_authority(folder / "authority");
    secure.options.credentials = load_credentials({.folder = folder / "authority"});
    secure.options.journal = folder / "secure";
    plain.options.journal = folder / "plain";
    for (Target* each : {&secure, &plain}) {
      each->server = std::make_unique<ServerProcess>(each->options);
    }
    for (Target* each : {&secure, &plain}) {
      each->honest = std::make_unique<HonestAgent>(each->server->port(), each->options.credentials);
    }
  }
  TempDir folder;
  Target secure;
  Target plain;
};

std::unique_ptr<World> world;

// Makes it before the first test, and ends it after the last one.
class WorldEnvironment : public testing::Environment {
  void SetUp() override {
    // It says something of every handshake that fails.
    setenv("GRPC_VERBOSITY", "NONE", 1);
    world = std::make_unique<World>();
  }
  void TearDown() override { world.reset(); }
};
[[maybe_unused]] auto* const environment = testing::AddGlobalTestEnvironment(new WorldEnvironment);

// Each test once against a server with TLS and a token, and once against one without.
class Hostile : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(target_.honest->is_well());
    for (int i = 0; i < 3; ++i) status();  // what the first calls take is no growth
    before_ = resident_bytes(target_.server->pid());
    refused_before_ = status().refused();
    target_.honest->take_slowest();
  }

  void TearDown() override {
    std::this_thread::sleep_for(milliseconds(300));
    milliseconds slowest = target_.honest->take_slowest();
    EXPECT_LT(slowest, kMaxWait);
    EXPECT_TRUE(target_.honest->is_well());
    EXPECT_TRUE(target_.server->lives());
    EXPECT_EQ(status().generation(), 1);
    int64_t growth = resident_bytes(target_.server->pid()) - before_;
    EXPECT_LT(growth, kMaxGrowth);
    RecordProperty("growth_kib", std::to_string(growth / 1024));
    RecordProperty("slowest_ms", std::to_string(slowest.count()));
  }

  std::shared_ptr<grpc::Channel> channel() {
    return make_channel({"127.0.0.1", port()}, credentials());
  }
  std::unique_ptr<v1::Rendezvous::Stub> new_stub() { return v1::Rendezvous::NewStub(channel()); }
  std::unique_ptr<grpc::ClientContext> context(Millis timeout_ms = 5000) {
    return make_context(credentials(), timeout_ms);
  }
  v1::StatusReply status() {
    v1::StatusReply reply;
    grpc::Status status = new_stub()->Status(context().get(), {}, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }
  uint64_t num_refused() { return status().refused() - refused_before_; }
  // Refusals come when the server gets to them.
  bool are_refused(uint64_t count) {
    return soon([&] { return num_refused() >= count; });
  }

  int port() const { return target_.server->port(); }
  const Credentials& credentials() const { return target_.options.credentials; }

  Target& target_ = GetParam() ? world->secure : world->plain;
  int64_t before_ = 0;
  uint64_t refused_before_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Both, Hostile, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Secure" : "Plain");
});

std::string random_bytes(std::mt19937& random, size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// Opens `count` connections, sends each the bytes, and waits.
void babble(int port, int count, const std::function<std::string(int)>& bytes) {
  std::vector<Descriptor> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(connect_to(port));
    std::string text = bytes(i);
    // May fail, as soon as the server has seen enough.
    [[maybe_unused]] ssize_t sent =
        send(all.back().get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  std::this_thread::sleep_for(milliseconds(1500));
}

TEST_P(Hostile, ConnectionsThatSendNothing) {
  babble(port(), 200, [](int) { return ""; });
  EXPECT_TRUE(are_refused(200));
}

TEST_P(Hostile, ConnectionsThatSendGarbage) {
  std::mt19937 random(1);
  babble(port(), 200, [&](int i) { return random_bytes(random, 1 + 50 * i); });
  EXPECT_TRUE(are_refused(200));
}

TEST_P(Hostile, ConnectionsThatSendHalfAHello) {
  // A TLS record of 512 bytes with a ClientHello of 508, of which only the beginning comes; and
  // the beginning of HTTP/2.
  std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  babble(port(), 200, [&](int i) {
    if (i % 2 == 0) return hello + std::string(static_cast<size_t>(i), 'r');
    return preface + std::string("\0\0\0\4\0\0\0\0\0\0\xff", 11);
  });
  EXPECT_TRUE(are_refused(200));
}

// Even where nothing but their number is wrong with them.
TEST_P(Hostile, MoreStrangersThanThereMayBe) {
  babble(port(), 800, [](int) { return "P"; });
  EXPECT_TRUE(are_refused(400));
}

TEST_P(Hostile, ConnectionsThatComeAndGo) {
  for (int i = 0; i < 2000; ++i) connect_to(port());
  EXPECT_TRUE(are_refused(2000));
}

TEST_P(Hostile, MessagesThatAreTooLarge) {
  // Not make_channel(), which would refuse to send them.
  grpc::ChannelArguments arguments;
  set_server_name(credentials(), arguments);
  auto connect = [&] {
    return v1::Rendezvous::NewStub(grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(port()), channel_credentials(credentials()), arguments));
  };
  auto stub = connect();
  v1::StatusReply status;
  ASSERT_TRUE(stub->Status(context().get(), {}, &status).ok());
  v1::PutReply reply;
  v1::PutRequest request;
  request.set_key("k");
  for (size_t size : {size_t{5} << 20, size_t{64} << 20}) {
    request.set_value(std::string(size, 'x'));
    EXPECT_EQ(stub->Put(context(20'000).get(), request, &reply).error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  v1::Beat beat;
  beat.set_secret(std::string(size_t{5} << 20, 'x'));
  auto beating = context();
  auto stream = stub->Heartbeat(beating.get());
  stream->Write(beat);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // A stranger may find the connection cut off instead.
  EXPECT_FALSE(connect()->Put(context(20'000).get(), request, &reply).ok());
}

TEST_P(Hostile, KeysAndValuesThatAreTooLong) {
  auto stub = new_stub();
  for (size_t size : {size_t{1025}, size_t{3} << 20}) {
    v1::PutRequest put;
    put.set_key(std::string(size, 'k'));
    v1::PutReply reply;
    EXPECT_EQ(stub->Put(context().get(), put, &reply).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
    v1::GetRequest get;
    get.set_key(put.key());
    get.set_wait_ms(1'000'000);
    v1::GetReply got;
    EXPECT_EQ(stub->Get(context().get(), get, &got).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(num_refused(), 4u);
}

TEST_P(Hostile, MetadataThatIsEnormous) {
  auto stub = new_stub();
  for (size_t size : {size_t{20} << 10, size_t{1} << 20, size_t{8} << 20}) {
    auto call = context();
    call->AddMetadata("x-large", std::string(size, 'm'));
    v1::StatusReply reply;
    EXPECT_FALSE(stub->Status(call.get(), {}, &reply).ok());
    auto token = make_context({}, 5000);
    token->AddMetadata(kTokenMetadata, std::string(size, 't'));
    EXPECT_FALSE(stub->Status(token.get(), {}, &reply).ok());
  }
}

// The beginning of a call whose first header is said to have 1 GiB.
std::string endless_header() {
  std::string out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  out += std::string("\0\0\0\4\0\0\0\0\0", 9);    // SETTINGS
  out += std::string("\0\0\x09\1\0\0\0\0\1", 9);  // HEADERS, which go on
  out += std::string("\0\1x\x7f\x81\xff\xff\xff\3", 9);
  return out;
}

// Sends a header until nobody takes more; how many bytes were taken.
size_t send_endless_header(int port) {
  Descriptor connection = connect_to(port);
  timeval time{3, 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  std::string bytes = endless_header();
  std::string more = std::string("\0\x40\0\x09\0\0\0\0\1", 9) + std::string(1 << 14, 'm');
  size_t sent = 0;
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    sent += bytes.size();
    bytes = more;
    if (std::chrono::steady_clock::now() > end) break;
  }
  return sent;
}

TEST_P(Hostile, HeadersWithoutEnd) {
  if (GetParam()) GTEST_SKIP() << "strangers do not get as far as a header";
  std::vector<std::future<size_t>> all;
  for (int i = 0; i < kEndlessHeaders; ++i) {
    all.push_back(std::async(send_endless_header, port()));
  }
  for (auto& each : all) EXPECT_LT(each.get(), size_t{32} << 20);
  EXPECT_TRUE(are_refused(kEndlessHeaders));
}

TEST_P(Hostile, WrongTokens) {
  if (!GetParam()) GTEST_SKIP() << "there is no token";
  auto stub = new_stub();
  for (int i = 0; i < 1000; ++i) {
    Credentials wrong;
    wrong.token = std::string(64, static_cast<char>('a' + i % 26));
    v1::StatusReply reply;
    EXPECT_EQ(stub->Status(make_context(wrong, 5000).get(), {}, &reply).error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
  }
  EXPECT_EQ(num_refused(), 1000u);
}

TEST_P(Hostile, BeatsWithoutPause) {
  auto stub = new_stub();
  auto beating = context(20'000);
  auto stream = stub->Heartbeat(beating.get());
  v1::Beat beat;
  beat.set_member(target_.honest->member() + 1);
  beat.set_secret(std::string(16, 'x'));
  for (uint64_t sequence = 1; sequence <= 5000; ++sequence) {
    beat.set_sequence(sequence);
    if (!stream->Write(beat)) break;
  }
  stream->WritesDone();
  v1::Order order;
  while (stream->Read(&order)) EXPECT_EQ(order.kind(), v1::Order::KIND_FENCED);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_GE(num_refused(), 1u);
}

TEST_P(Hostile, BeatsInTheNameOfTheHonestMember) {
  auto stub = new_stub();
  auto beating = context(20'000);
  auto stream = stub->Heartbeat(beating.get());
  v1::Beat beat;
  beat.set_member(target_.honest->member());
  beat.set_secret(std::string(26, '.'));
  beat.set_generation(1);
  beat.set_phase(v1::PHASE_FAILED);
  for (uint64_t i = 0; i < 100; ++i) {
    beat.set_sequence((uint64_t{1} << 60) + i);
    ASSERT_TRUE(stream->Write(beat));
    v1::Order order;
    ASSERT_TRUE(stream->Read(&order));
    EXPECT_EQ(order.kind(), v1::Order::KIND_FENCED);
    EXPECT_FALSE(order.has_plan());
    std::this_thread::sleep_for(milliseconds(10));
  }
  v1::LeaveRequest leave;
  leave.set_member(target_.honest->member());
  leave.set_secret(beat.secret());
  v1::LeaveReply reply;
  EXPECT_EQ(stub->Leave(context().get(), leave, &reply).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_GE(num_refused(), 101u);
}

// Calls Join with random secrets from several threads; how many were refused with that code.
int flood_joins(const std::function<std::unique_ptr<v1::Rendezvous::Stub>()>& new_stub,
                const std::function<std::unique_ptr<grpc::ClientContext>()>& context,
                const v1::Job& job, grpc::StatusCode code) {
  std::atomic<int> count = 0;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(i);
      auto stub = new_stub();
      for (int j = 0; j < 1000; ++j) {
        v1::JoinRequest request = join_request("intruder", job);
        request.set_secret(random_bytes(random, 16));
        v1::JoinReply reply;
        if (stub->Join(context().get(), request, &reply).error_code() == code) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return count;
}

TEST_P(Hostile, JoinsOfAnotherJob) {
  int refused = flood_joins([&] { return new_stub(); }, [&] { return context(); }, job_of(2, 9),
                            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(refused, 4000);
  EXPECT_EQ(num_refused(), 4000u);
  EXPECT_EQ(status().members_size(), 1);
}

TEST_P(Hostile, JoinsThatAreNeverFollowedByABeat) {
  int taken = flood_joins([&] { return new_stub(); }, [&] { return context(); }, job_of(1, 1),
                          grpc::StatusCode::OK);
  EXPECT_EQ(taken, 4000);
  EXPECT_TRUE(soon([&] { return status().members_size() == 1; }));
}

TEST_P(Hostile, StreamsThatSendNothing) {
  auto stub = new_stub();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<v1::Beat, v1::Order>>> streams;
  for (int i = 0; i < 200; ++i) {
    contexts.push_back(context(20'000));
    streams.push_back(stub->Heartbeat(contexts.back().get()));
  }
  std::this_thread::sleep_for(milliseconds(1000));
  for (auto& each : contexts) each->TryCancel();
  for (auto& stream : streams) stream->Finish();
}

TEST_P(Hostile, ReadersOfEventsThatDoNotRead) {
  auto stub = new_stub();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Event>>> readers;
  v1::EventsRequest request;
  request.set_follow(true);
  for (int i = 0; i < 200; ++i) {
    contexts.push_back(context(20'000));
    readers.push_back(stub->Events(contexts.back().get(), request));
  }
  EXPECT_TRUE(are_refused(200 - 64));
  std::this_thread::sleep_for(milliseconds(500));
  EXPECT_EQ(num_refused(), 200u - 64);
  for (auto& each : contexts) each->TryCancel();
  for (auto& reader : readers) reader->Finish();
}

TEST_P(Hostile, RandomBytesAsRequests) {
  std::mt19937 random(2);
  grpc::GenericStub stub(channel());
  for (const char* method :
       {"Join", "Heartbeat", "Leave", "Fence", "Put", "Get", "Events", "Status", "Nothing"}) {
    for (size_t i = 0; i < 100; ++i) {
      std::string text = random_bytes(random, i < 90 ? i : 4000 * i);
      grpc::Slice slice(text);
      grpc::ByteBuffer request(&slice, 1);
      grpc::ByteBuffer reply;
      std::promise<grpc::Status> done;
      auto call = context(500);
      stub.UnaryCall(call.get(), std::string("/tessera.rendezvous.v1.Rendezvous/") + method, {},
                     &request, &reply, [&](grpc::Status got) { done.set_value(std::move(got)); });
      done.get_future().wait();
    }
  }
  EXPECT_GE(num_refused(), 700u);  // some mean something by chance
}

}  // namespace
}  // namespace tessera::rendezvous
