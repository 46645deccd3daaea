// Runs tessera-pmix as an agent would, with the MPI program TESSERA_PLAIN_MPI or a shell for its
// ranks.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "launcher/agent/frames.h"
#include "tests/launcher/pmix_server_node.h"

namespace tessera::agent {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

void expect_good_exit(const Frame& exited) {
  EXPECT_EQ(exited.fields.at(1), "exit");
  EXPECT_EQ(exited.fields.at(2), "0") << "local rank " << exited.fields.at(0);
}

// Reads reports until the ranks have all gone through MPI_Init.
void wait_for_connections(Node& node, int num_ranks) {
  for (int i = 0; i < num_ranks; ++i) node.receive(FrameType::connected);
}

int64_t boot_time_ms() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

TEST(PmixServer, RunsAnMpiJobOnOneNode) {
  Node node({});
  node.run({TESSERA_PLAIN_MPI});
  std::multiset<FrameType> reports;
  while (reports.count(FrameType::exited) < 4) {
    Frame frame = node.receive();
    reports.insert(frame.type);
    if (frame.type == FrameType::exited) expect_good_exit(frame);
  }
  EXPECT_EQ(reports.count(FrameType::connected), 4u);
  EXPECT_EQ(reports.count(FrameType::finalized), 4u);
  EXPECT_EQ(reports.size(), 12u) << "and nothing else";
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(contains(node.output(i), fmt::format("rank {} of 4\n", i))) << node.output(i);
    EXPECT_TRUE(contains(node.output(i), "4 on this node")) << node.output(i);
    EXPECT_EQ(node.errors(i), "");
  }
  node.end();
  node.expect_nothing_left();
}

class TwoNodes : public testing::TestWithParam<bool> {};

TEST_P(TwoNodes, RunAnMpiJobTogether) {
  std::vector<std::string> environment;
  // The first fence is a barrier then, and ranks ask for what they need of others. (Without that
  // barrier, with pmix_base_async_modex, about one MPI_Init in a hundred fails inside Open MPI.)
  if (GetParam()) environment = {"OMPI_MCA_pmix_base_collect_data=0"};
  Node first({.index = 0, .num_nodes = 2, .local_ranks = 2});
  Node second({.index = 1, .num_nodes = 2, .local_ranks = 2});
  for (Node* node : {&first, &second}) node->prepare();
  for (Node* node : {&first, &second}) {
    node->set_program({TESSERA_PLAIN_MPI}, environment);
    node->start();
  }
  Coordinator coordinator({&first, &second});
  coordinator.run_until_exits(4);
  for (const Frame& exited : coordinator.exits) expect_good_exit(exited);
  EXPECT_EQ(coordinator.num_connected, 4);
  EXPECT_EQ(coordinator.num_finalized, 4);
  // Open MPI 4 makes three, Open MPI 5 five.
  EXPECT_TRUE(coordinator.num_fences == 3 || coordinator.num_fences == 5) << coordinator.num_fences;
  EXPECT_EQ(coordinator.num_modexes > 0, GetParam());
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(contains(first.output(i), fmt::format("rank {} of 4\n", i)));
    EXPECT_TRUE(contains(second.output(i), fmt::format("rank {} of 4\n", 2 + i)));
    EXPECT_TRUE(contains(second.output(i), "2 on this node")) << second.output(i);
  }
  for (Node* node : {&first, &second}) {
    node->end();
    node->expect_nothing_left();
  }
}

INSTANTIATE_TEST_SUITE_P(PmixServer, TwoNodes, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "DirectModex" : "Fence"; });

TEST(PmixServer, ReportsADeathBySignalAtOnce) {
  Node node({});
  std::vector<pid_t> pids = node.run({TESSERA_PLAIN_MPI, "forever"});
  wait_for_connections(node, 4);
  auto before = Clock::now();
  kill(pids[2], SIGKILL);
  EXPECT_EQ(node.receive(FrameType::exited).fields, (std::vector<std::string>{"2", "signal", "9"}));
  EXPECT_LT(Clock::now() - before, 200ms);
  node.end();
  node.expect_nothing_left();
}

TEST(PmixServer, ReportsWhatRanksDoToThemselves) {
  using Fields = std::vector<std::string>;
  for (auto [mode, exit] : {std::pair{"die", Fields{"1", "signal", "9"}},
                            {"exit", Fields{"1", "exit", "3"}},
                            {"abort", Fields{"1", "exit", "7"}}}) {
    Node node({});
    node.run({TESSERA_PLAIN_MPI, mode, "1"});
    if (mode == std::string("abort")) {
      Frame aborted = node.receive(FrameType::aborted);
      EXPECT_EQ(aborted.fields.at(0), "1");
      EXPECT_EQ(aborted.fields.at(1), "7");
    }
    EXPECT_EQ(node.receive(FrameType::exited).fields, exit) << mode;
    node.end();
    node.expect_nothing_left();
  }
}

TEST(PmixServer, EndLeavesNothingOfRanksInsideMpiInit) {
  for (int delay_ms : {0, 10, 30, 60, 90}) {
    Node node({});
    node.run({TESSERA_PLAIN_MPI, "forever"});
    std::this_thread::sleep_for(milliseconds(delay_ms));
    node.end();
    node.expect_nothing_left();
  }
}

// Ranks that leave processes behind, in their group, in other sessions, and without parents.
const std::vector<std::string> kBrood = {
    "sh", "-c",
    "sleep 1000 & setsid sleep 1000 & (setsid sh -c 'sleep 1000 & setsid sleep 1000 & wait' &) ; "
    "echo born; exec sleep 1000"};

void wait_for_processes(const Node& node, const std::string& program, size_t num_processes) {
  auto deadline = Clock::now() + kLong;
  while (node.processes(program).size() < num_processes && Clock::now() < deadline) {
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(node.processes(program).size(), num_processes);
}

// Five sleep, and a shell waits for two of them.
void wait_for_brood(const Node& node, size_t num_ranks) {
  wait_for_processes(node, "sleep", 5 * num_ranks);
}

TEST(PmixServer, EndLeavesNoDescendant) {
  Node node({.local_ranks = 2});
  node.run(kBrood);
  wait_for_brood(node, 2);
  node.end();
  node.expect_nothing_left();
  EXPECT_EQ(node.output(1), "born\n");
}

TEST(PmixServer, DescendantsOfARankThatEndedAreEndedToo) {
  Node node({.local_ranks = 1});
  std::vector<pid_t> pids = node.run(kBrood);
  wait_for_brood(node, 1);
  kill(pids[0], SIGKILL);
  node.receive(FrameType::exited);
  EXPECT_EQ(node.processes().size(), 5u);
  node.end();
  node.expect_nothing_left();
}

TEST(PmixServer, AnAgentThatIsGoneEndsEverything) {
  for (bool prepared : {false, true}) {
    Node node({.local_ranks = 2});
    if (prepared) {
      node.run(kBrood);
      wait_for_brood(node, 2);
    }
    node.disconnect();
    EXPECT_EQ(node.wait(5s), 0);
    node.expect_nothing_left();
  }
}

TEST(PmixServer, SignalsToEverythingAreLeftToTheAgent) {
  Node node({.local_ranks = 1});
  node.run(kBrood);
  wait_for_brood(node, 1);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU}) {
    kill(node.pid(), signal);
    EXPECT_THROW(node.receive(50ms), std::runtime_error) << strsignal(signal);
  }
  node.disconnect();
  EXPECT_EQ(node.wait(5s), 0);
  node.expect_nothing_left();
}

TEST(PmixServer, RanksDieWithAServerThatIsKilled) {
  Node node({.local_ranks = 2});
  node.run({TESSERA_PLAIN_MPI, "forever"});
  wait_for_connections(node, 2);
  kill(node.pid(), SIGKILL);
  node.output(0);
  node.output(1);
  EXPECT_EQ(node.processes(), std::set<pid_t>());
  EXPECT_TRUE(WIFSIGNALED(node.wait_status()));
}

TEST(PmixServer, ALeaseThatIsNotRenewedEndsEverything) {
  Node node({.local_ranks = 2});
  node.run({TESSERA_PLAIN_MPI, "forever"});
  wait_for_connections(node, 2);
  auto before = Clock::now();
  for (int i = 0; i < 3; ++i) {
    node.send(FrameType::lease, {text(boot_time_ms() + 300)});
    EXPECT_THROW(node.receive(150ms), std::runtime_error) << "renewed in time";
  }
  node.receive(FrameType::lease_expired);
  auto lasted = Clock::now() - before;
  EXPECT_GE(lasted, 590ms);
  EXPECT_LE(lasted, 1500ms);
  node.receive(FrameType::ended);
  EXPECT_EQ(node.wait(), 0);
  node.expect_nothing_left();
}

TEST(PmixServer, ALeaseOfThePastExpiresAtOnce) {
  for (int64_t deadline : {int64_t{0}, boot_time_ms() - 1}) {
    Node node({.local_ranks = 1});
    node.send(FrameType::lease, {text(deadline)});
    node.receive(FrameType::lease_expired);
    EXPECT_EQ(node.wait(), 0);
    node.expect_nothing_left();
  }
}

TEST(PmixServer, AnAgentThatReadsNothingDoesNotKeepTheLease) {
  Node node({.local_ranks = 4, .send_buffer_bytes = 1});
  node.prepare();
  // Every rank makes a report of nearly what the socket takes.
  node.set_program({std::string(4000, 'x')});
  node.send(FrameType::start);
  auto before = Clock::now();
  node.send(FrameType::lease, {text(boot_time_ms() + 300)});
  EXPECT_EQ(node.wait(), 0);
  EXPECT_GE(Clock::now() - before, 700ms) << "it did not wait with the last report";
  EXPECT_LE(Clock::now() - before, 2s);
  node.expect_nothing_left();
}

TEST(PmixServer, ReportsThatTheSocketDidNotTakeComeLater) {
  Node node({.local_ranks = 4, .send_buffer_bytes = 1});
  node.prepare();
  node.set_program({std::string(4000, 'x')});
  node.start();
  std::this_thread::sleep_for(50ms);
  for (int i = 0; i < 4; ++i) {
    EXPECT_GT(node.receive(FrameType::exec_failed).fields.at(1).size(), 4000u);
    EXPECT_EQ(node.receive().fields.at(2), "127");
  }
  node.end();
  node.expect_nothing_left();
}

TEST(PmixServer, AProgramThatIsNotThereIsNamed) {
  Node node({.local_ranks = 2});
  node.run({"no-such-program"});
  for (int i = 0; i < 2; ++i) {
    Frame failed = node.receive(FrameType::exec_failed);
    EXPECT_TRUE(contains(failed.fields.at(1), "no-such-program: No such file")) << failed.fields[1];
    EXPECT_EQ(node.receive().fields,
              (std::vector<std::string>{failed.fields.at(0), "exit", "127"}));
  }
  node.end();
  node.expect_nothing_left();
}

TEST(PmixServer, AFolderThatIsNotThereIsNamed) {
  Node node({.local_ranks = 1});
  node.prepare();
  node.send(FrameType::program, {"/no/such/folder", "1", "true", "PATH=/bin"});
  node.start();
  std::string failure = node.receive(FrameType::exec_failed).fields.at(1);
  EXPECT_TRUE(contains(failure, "true in /no/such/folder: No such file")) << failure;
  node.end();
}

TEST(PmixServer, CpusThatAreNotThereAreNamed) {
  Node node({.local_ranks = 1});
  node.prepare();
  node.set_program({"true"});
  node.send(FrameType::rank, {"0", "8000,8001"});
  node.start();
  std::string failure = node.receive(FrameType::exec_failed).fields.at(1);
  EXPECT_TRUE(contains(failure, "true to CPUs 8000,8001: Invalid argument")) << failure;
  node.end();
}

TEST(PmixServer, RanksGetTheirEnvironmentAndNoOther) {
  Node node({.local_ranks = 2});
  node.prepare();
  node.set_program({"env"}, {"COLOR=red", "SLURM_PROCID=9", "PMI_RANK=9", "PMIX_RANK=9",
                             "OMPI_COMM_WORLD_RANK=9", "FLUX_JOB_ID=9", "PALS_RANKID=9"});
  node.send(FrameType::rank, {"0", "", "TESSERA_RANK=0"});
  node.send(FrameType::rank, {"1", "", "TESSERA_RANK=1", "COLOR=blue"});
  node.start();
  for (int i = 0; i < 2; ++i) expect_good_exit(node.receive(FrameType::exited));
  for (int i = 0; i < 2; ++i) {
    std::string environment = "\n" + node.output(i);
    for (const std::string& entry :
         {fmt::format("PMIX_RANK={}", i), std::string("PMIX_NAMESPACE=tessera-test.1"),
          std::string("JSM_JSRUN_PORT=1"), fmt::format("TESSERA_RANK={}", i),
          fmt::format("COLOR={}", i == 0 ? "red" : "blue")}) {
      EXPECT_TRUE(contains(environment, "\n" + entry + "\n")) << entry << environment;
    }
    for (const char* name : {"=9\n", "SLURM_", "COLOR=red\nCOLOR", "USER="}) {
      EXPECT_FALSE(contains(environment, name)) << name << environment;
    }
  }
  node.end();
}

// libpmix 5 ends a process that has none.
TEST(PmixServer, RanksHaveAHomeWhateverTheUserHas) {
  Node node({.local_ranks = 3});
  node.prepare();
  node.set_program({"sh", "-c", "echo \"home $HOME\""});
  node.send(FrameType::rank, {"1", "", "HOME=/usr"});
  node.send(FrameType::rank, {"2", "", "HOME="});
  node.start();
  for (int i = 0; i < 3; ++i) expect_good_exit(node.receive(FrameType::exited));
  EXPECT_EQ(node.output(1), "home /usr\n");
  for (int i : {0, 2}) EXPECT_TRUE(contains(node.output(i), "home /")) << node.output(i);
  node.end();
}

TEST(PmixServer, RanksGetTheirDescriptorsAndCpusAndNoOther) {
  Node node({.local_ranks = 2});
  node.prepare();
  node.set_program({"sh", "-c",
                    "echo /proc/self/fd/*; cat <&4; echo; readlink /proc/self/fd/0 >&2;"
                    "grep Cpus_allowed_list /proc/self/status; grep Sig[BI] /proc/self/status"});
  node.send(FrameType::rank, {"1", "0"});
  node.start();
  for (int i = 0; i < 2; ++i) expect_good_exit(node.receive(FrameType::exited));
  EXPECT_TRUE(contains(node.output(0), "/proc/self/fd/4")) << node.output(0);
  EXPECT_FALSE(contains(node.output(0), "/proc/self/fd/5")) << node.output(0);
  EXPECT_TRUE(contains(node.output(0) + node.output(1), "\nboard\n"));
  EXPECT_EQ(node.errors(0), std::filesystem::read_symlink("/proc/self/fd/0").string() + "\n");
  EXPECT_EQ(node.errors(1), "/dev/null\n");
  EXPECT_TRUE(contains(node.output(1), "Cpus_allowed_list:\t0\n")) << node.output(1);
  for (const char* set : {"SigBlk:", "SigIgn:"}) {
    EXPECT_TRUE(contains(node.output(1), std::string(set) + "\t0000000000000000")) << set;
  }
  node.end();
}

TEST(PmixServer, SignalsGoToWholeGroups) {
  Node node({.local_ranks = 2});
  node.run({"sh", "-c", "trap 'echo got it' USR1; echo up; sleep 1000; exit 5"});
  wait_for_processes(node, "sleep", 2);
  node.send(FrameType::signal, {text(SIGUSR1)});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(node.receive(FrameType::exited).fields.at(2), "5");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(node.output(i), "up\ngot it\n");
  node.end();
}

TEST(PmixServer, OrdersThatMakeNoSenseAreAFailure) {
  using Orders = std::vector<Frame>;
  const std::string place = "tnode0";
  for (const Orders& orders : std::initializer_list<Orders>{
           Orders{{FrameType::start, {}}},
           Orders{{FrameType::fence_done, {"*#0", "0", ""}}},
           Orders{{FrameType::ready, {}}},
           Orders{{FrameType::signal, {"0"}}},
           Orders{{FrameType::signal, {"nine"}}},
           Orders{{FrameType::lease, {}}},
           Orders{{FrameType::rank, {"1", ""}}},
           Orders{{FrameType::program, {"/", "2", "true"}}},
           Orders{{FrameType::program, {"/", "1", std::string("tr\0ue", 5)}}},
           Orders{{FrameType::program, {"/", "1", "true", "novalue"}}},
           Orders{{FrameType::prepare, {"../x", place, "0", "1", "0", "0"}}},
           Orders{{FrameType::prepare, {"x", "other", "0", "1", "0", "0"}}},
           Orders{{FrameType::prepare, {"x", place, "0,0", "2", "0", "0"}}},
           Orders{{FrameType::prepare, {"x", place, "0,1", "2", "0", "0"}}},
           Orders{{FrameType::prepare, {"x", place, "1", "1", "1", "0"}}},
           Orders{{FrameType::prepare, {"x", place, "0", "1", "0", "1"}}},
           Orders{{FrameType::prepare, {"x", place, "0", "1", "0", "0"}},
                  {FrameType::modex_data, {"0", "0", ""}}},
       }) {
    Node node({.local_ranks = 1});
    for (const Frame& order : orders) node.send(order.type, order.fields);
    Frame report = node.receive();
    if (report.type == FrameType::ready) report = node.receive();
    EXPECT_EQ(report.type, FrameType::failed);
    EXPECT_TRUE(contains(report.fields.at(0), name_of(orders.back().type).data()))
        << report.fields[0];
    EXPECT_EQ(node.receive().type, FrameType::ended);
    EXPECT_EQ(node.wait(), 1);
    node.expect_nothing_left();
  }
}

TEST(PmixServer, ItsFoldersAreItsUsersOnly) {
  auto make_empty = [](const std::string& dir) {
    std::filesystem::create_directory(dir + "/shm");
    chmod((dir + "/shm").c_str(), 0777);
  };
  Node node({.local_ranks = 1, .before_start = make_empty});
  node.prepare();
  for (const std::string& dir : {node.session_dir(), node.shm_dir()}) {
    struct stat status {};
    ASSERT_EQ(stat(dir.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700u);
  }
  node.end();
  node.expect_nothing_left();
}

TEST(PmixServer, AFolderWithFilesOrALinkIsNotTaken) {
  auto make_file = [](const std::string& dir) {
    std::filesystem::create_directory(dir + "/shm");
    std::ofstream(dir + "/shm/precious") << "yes";
  };
  auto make_link = [](const std::string& dir) {
    std::filesystem::create_directory(dir + "/elsewhere");
    std::filesystem::create_directory_symlink(dir + "/elsewhere", dir + "/shm");
  };
  for (const auto& make :
       std::vector<std::function<void(const std::string&)>>{make_file, make_link}) {
    Node node({.local_ranks = 1, .before_start = make});
    Frame failed = node.receive();
    EXPECT_EQ(failed.type, FrameType::failed);
    EXPECT_TRUE(contains(failed.fields.at(0), node.shm_dir())) << failed.fields[0];
    EXPECT_EQ(node.wait(), 1);
    EXPECT_TRUE(std::filesystem::exists(node.shm_dir()));
    EXPECT_TRUE(std::filesystem::is_empty(node.shm_dir()) ||
                std::filesystem::exists(node.shm_dir() + "/precious"));
    EXPECT_FALSE(std::filesystem::exists(node.session_dir()));
  }
}

TEST(PmixServer, GarbageIsAFailure) {
  Node node({.local_ranks = 1});
  node.send_bytes("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(node.receive().type, FrameType::failed);
  EXPECT_EQ(node.wait(), 1);
  node.expect_nothing_left();
}

}  // namespace
}  // namespace tessera::agent
