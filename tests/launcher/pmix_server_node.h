// The agent's and the coordinator's side of tessera-pmix, for tests: starts the server that is
// built as TESSERA_PMIX_SERVER.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "launcher/agent/frames.h"
#include "tests/support/temp_dir.h"

namespace tessera::agent {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline constexpr milliseconds kLong{30'000};

inline std::string text(int64_t number) { return std::to_string(number); }

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Empty if it cannot be read, as of a process that has ended.
inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Reads a pipe to its end.
class Output {
 public:
  explicit Output(int descriptor) : thread_([this, descriptor] { read_all(descriptor); }) {}
  ~Output() {
    if (thread_.joinable()) thread_.join();
  }

  // Waits for the end.
  const std::string& all() {
    if (thread_.joinable()) thread_.join();
    return bytes_;
  }

 private:
  void read_all(int descriptor) {
    char buffer[4096];
    ssize_t size;
    while ((size = read(descriptor, buffer, sizeof buffer)) > 0) bytes_.append(buffer, size);
    close(descriptor);
  }

  std::string bytes_;
  std::thread thread_;
};

// The descriptors of one server, at first with numbers out of the way of those that it expects.
class Inheritance {
 public:
  ~Inheritance() {
    for (auto [target, source] : sources_) close(source);
  }
  void set(int target, int descriptor) {
    sources_[target] = fcntl(descriptor, F_DUPFD_CLOEXEC, 300);
    close(descriptor);
  }
  // In the child.
  void take() const {
    for (auto [target, source] : sources_) dup2(source, target);
  }

 private:
  std::map<int, int> sources_;
};

// The agent's view of one server.
class Node {
 public:
  struct Options {
    int index = 0;
    int num_nodes = 1;
    int local_ranks = 4;
    std::optional<int> send_buffer_bytes = {};
    // Called with the folder in which the server makes its own.
    std::function<void(const std::string&)> before_start = {};
  };

  explicit Node(Options options) : options_(std::move(options)) {
    if (options_.before_start) options_.before_start(dir_.path());
    Inheritance inheritance;
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    if (options_.send_buffer_bytes) {
      setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &*options_.send_buffer_bytes, sizeof(int));
    }
    control_ = ends[0];
    inheritance.set(3, ends[1]);
    int board = memfd_create("board", MFD_CLOEXEC);
    EXPECT_EQ(pwrite(board, "board", 5, 0), 5);
    inheritance.set(4, board);
    for (int i = 0; i < 2 * options_.local_ranks; ++i) {
      EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
      inheritance.set(5 + i, ends[1]);
      outputs_.push_back(std::make_unique<Output>(ends[0]));
    }
    spawn(inheritance);
  }

  ~Node() {
    disconnect();
    if (pid_ > 0) wait_status();
  }

  std::string host() const { return fmt::format("tnode{}", options_.index); }
  std::string session_dir() const { return dir_ / "session"; }
  std::string shm_dir() const { return dir_ / "shm"; }
  std::string mark() const { return "TESSERA_TEST_MARK=" + dir_.path(); }
  int control() const { return control_; }
  pid_t pid() const { return pid_; }

  void send(FrameType type, std::vector<std::string> fields = {}) {
    send_frame(control_, {type, std::move(fields)});
  }
  void send_bytes(const std::string& bytes) {
    EXPECT_EQ(::send(control_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // The next report; throws after the time, or if there will be none.
  Frame receive(milliseconds limit = kLong) {
    auto deadline = Clock::now() + limit;
    for (;;) {
      if (auto frame = reader_.next()) return *frame;
      auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
      pollfd socket{control_, POLLIN, 0};
      char buffer[65536];
      if (left < milliseconds(0) || poll(&socket, 1, static_cast<int>(left.count())) <= 0) {
        throw std::runtime_error("no report in time");
      }
      ssize_t size = recv(control_, buffer, sizeof buffer, 0);
      if (size <= 0) throw std::runtime_error("the server is gone");
      reader_.feed({buffer, static_cast<size_t>(size)});
    }
  }
  // A report that was read with another.
  std::optional<Frame> received() { return reader_.next(); }
  // Skips other reports.
  Frame receive(FrameType type, milliseconds limit = kLong) {
    auto deadline = Clock::now() + limit;
    for (;;) {
      Frame frame = receive(std::chrono::ceil<milliseconds>(deadline - Clock::now()));
      if (frame.type == type) return frame;
      if (frame.type == FrameType::failed) throw std::runtime_error(frame.fields.at(0));
    }
  }

  void prepare() {
    std::string nodes, ranks;
    int size = options_.num_nodes * options_.local_ranks;
    for (int rank = 0; rank < size; ++rank) {
      bool first = rank % options_.local_ranks == 0;
      if (first) nodes += fmt::format("{}tnode{}", rank ? "," : "", rank / options_.local_ranks);
      ranks += fmt::format("{}{}", rank == 0 ? "" : first ? ";" : ",", rank);
    }
    send(FrameType::prepare, {"tessera-test.1", nodes, ranks, text(size),
                              text(options_.index * options_.local_ranks), text(options_.index)});
    receive(FrameType::ready);
  }

  void set_program(const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment = {}) {
    std::vector<std::string> fields{"/", text(static_cast<int64_t>(arguments.size()))};
    fields.insert(fields.end(), arguments.begin(), arguments.end());
    const char* path = std::getenv("PATH");
    std::string btl = options_.num_nodes > 1 ? "self,vader,tcp" : "self,vader";
    for (const std::string& entry :
         {std::string("PATH=") + (path ? path : "/usr/bin:/bin"), mark(),
          std::string("OMPI_MCA_pml=ob1"), "OMPI_MCA_btl=" + btl,
          std::string("OMPI_MCA_btl_tcp_if_include=lo"), std::string("OMPI_MCA_shmem=mmap"),
          "OMPI_MCA_btl_vader_backing_directory=" + shm_dir(),
          std::string("OMPI_MCA_btl_vader_single_copy_mechanism=none"),
          std::string("OMPI_MCA_mpi_yield_when_idle=1")}) {
      fields.push_back(entry);
    }
    fields.insert(fields.end(), environment.begin(), environment.end());
    send(FrameType::program, std::move(fields));
  }

  // Returns the ranks' processes.
  std::vector<pid_t> start() {
    send(FrameType::start);
    std::vector<pid_t> pids;
    for (int i = 0; i < options_.local_ranks; ++i) {
      Frame started = receive(FrameType::started);
      EXPECT_EQ(started.fields.at(0), text(i));
      pids.push_back(std::stoi(started.fields.at(1)));
    }
    return pids;
  }

  std::vector<pid_t> run(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment = {}) {
    prepare();
    set_program(arguments, environment);
    return start();
  }

  // As an agent that dies.
  void disconnect() {
    if (control_ >= 0) close(control_);
    control_ = -1;
  }

  // The server's status once it has ended; it must do so in time.
  int wait_status(milliseconds limit = kLong) {
    auto deadline = Clock::now() + limit;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      if (Clock::now() > deadline) {
        ADD_FAILURE() << "the server does not end";
        kill(pid_, SIGKILL);
      }
      std::this_thread::sleep_for(milliseconds(2));
    }
    pid_ = -1;
    return status;
  }
  // Its exit code.
  int wait(milliseconds limit = kLong) {
    int status = wait_status(limit);
    EXPECT_TRUE(WIFEXITED(status)) << status;
    return WEXITSTATUS(status);
  }

  void end() {
    send(FrameType::end);
    receive(FrameType::ended);
    EXPECT_EQ(wait(), 0);
  }

  const std::string& output(int local_index) { return outputs_.at(2 * local_index)->all(); }
  const std::string& errors(int local_index) { return outputs_.at(2 * local_index + 1)->all(); }

  // Processes that come from this node's ranks, and with a program's name, those that run it.
  std::set<pid_t> processes(const std::string& program = "") const {
    std::set<pid_t> out;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      pid_t pid = std::atoi(entry.path().filename().c_str());
      if (pid <= 0 || !contains(read_all(entry.path() / "environ"), mark())) continue;
      if (program.empty() || read_all(entry.path() / "comm") == program + "\n") out.insert(pid);
    }
    return out;
  }

  void expect_nothing_left() const {
    EXPECT_EQ(processes(), std::set<pid_t>());
    EXPECT_EQ(dir_.names(), std::set<std::string>());
  }

 private:
  void spawn(const Inheritance& inheritance) {
    pid_ = fork();
    if (pid_ != 0) return;
    // As if inside another launcher.
    setenv("SLURM_JOBID", "1", 1);
    setenv("PMIX_RANK", "77", 1);
    setenv("PMIX_NAMESPACE", "other", 1);
    inheritance.take();
    std::string ranks = text(options_.local_ranks);
    execl(TESSERA_PMIX_SERVER, "tessera-pmix", "--session-dir", session_dir().c_str(), "--shm-dir",
          shm_dir().c_str(), "--hostname", host().c_str(), "--local-ranks", ranks.c_str(), nullptr);
    _exit(126);
  }

  Options options_;
  test::TempDir dir_;
  int control_ = -1;
  pid_t pid_ = -1;
  FrameReader reader_;
  std::vector<std::unique_ptr<Output>> outputs_;
};

// What agents and their coordinator do with the reports of several servers.
class Coordinator {
 public:
  explicit Coordinator(std::vector<Node*> nodes) : nodes_(std::move(nodes)) {}

  // Until `num_exits` ranks have ended.
  void run_until_exits(size_t num_exits) {
    while (exits.size() < num_exits) {
      std::vector<pollfd> sockets;
      for (Node* node : nodes_) sockets.push_back({node->control(), POLLIN, 0});
      if (poll(sockets.data(), sockets.size(), 30'000) <= 0) throw std::runtime_error("no report");
      for (size_t i = 0; i < nodes_.size(); ++i) {
        if (sockets[i].revents == 0) continue;
        take(i, nodes_[i]->receive());
        // Reports that came together with that one wake nobody up.
        while (auto frame = nodes_[i]->received()) take(i, std::move(*frame));
      }
    }
  }

  std::vector<Frame> exits;
  int num_connected = 0;
  int num_finalized = 0;
  int num_fences = 0;
  int num_modexes = 0;

 private:
  void take(size_t node, Frame frame) {
    switch (frame.type) {
      case FrameType::exited: exits.push_back(frame); break;
      case FrameType::connected: ++num_connected; break;
      case FrameType::finalized: ++num_finalized; break;
      case FrameType::fence: take_fence(node, frame); break;
      case FrameType::modex_request:
        ++num_modexes;
        nodes_.at(std::stoul(frame.fields.at(1)))
            ->send(FrameType::modex_request, {frame.fields[0], text(node), frame.fields.at(2)});
        break;
      case FrameType::modex_data:
        nodes_.at(std::stoul(frame.fields.at(1)))
            ->send(FrameType::modex_data,
                   {frame.fields[0], frame.fields.at(2), frame.fields.at(3)});
        break;
      default:
        ADD_FAILURE() << fmt::format("node {}: {} {}", node, name_of(frame.type),
                                     fmt::join(frame.fields, " "));
    }
  }

  void take_fence(size_t node, const Frame& frame) {
    EXPECT_EQ(frame.fields.at(1), "0,1");
    auto& parts = fences_[frame.fields.at(0)];
    EXPECT_TRUE(parts.emplace(node, frame.fields.at(2)).second) << frame.fields.at(0);
    if (parts.size() < nodes_.size()) return;
    ++num_fences;
    std::string all;
    for (const auto& [contributor, data] : parts) all += data;
    for (Node* each : nodes_) each->send(FrameType::fence_done, {frame.fields[0], "0", all});
  }

  std::vector<Node*> nodes_;
  std::map<std::string, std::map<size_t, std::string>> fences_;
};

}  // namespace tessera::agent
