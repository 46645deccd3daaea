#include "launcher/agent/pmix_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "launcher/agent/typed_frames.h"

namespace tessera::agent {
namespace {

// The process finds what it inherits at these numbers and the ones after them.
constexpr int kFirstInherited = 3;

[[noreturn]] void fail(const char* what) {
  throw Error(fmt::format("cannot {} for the ranks: {}", what, std::strerror(errno)));
}

std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("make a pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// Above all numbers that the process shall find its descriptors at.
Descriptor moved_above(int descriptor, int least) {
  Descriptor copy(fcntl(descriptor, F_DUPFD_CLOEXEC, least));
  if (copy.get() < 0) fail("copy a descriptor");
  return copy;
}

// Owns what posix_spawn is told.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // What a scheduler sends to all waits until the process has learned to ignore it.
    sigset_t blocked;
    sigset_t all;
    sigemptyset(&blocked);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU}) {
      sigaddset(&blocked, signal);
    }
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &blocked);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void copy(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  void open_null(int at) {
    posix_spawn_file_actions_addopen(&actions_, at, "/dev/null", O_RDONLY, 0);
  }
  void open_log(int at, const std::string& path) {
    posix_spawn_file_actions_addopen(&actions_, at, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
  }
  pid_t run(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_t pid = -1;
    int error = posix_spawn(&pid, argv[0], &actions_, &attributes_, argv.data(), environ);
    if (error != 0) {
      throw Error(fmt::format("cannot start {}: {}", words[0], std::strerror(error)));
    }
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::vector<pid_t> children() {
  pid_t self = getpid();
  std::ifstream file(fmt::format("/proc/self/task/{}/children", self));
  std::vector<pid_t> out;
  for (pid_t pid = 0; file >> pid;) out.push_back(pid);
  return out;
}

}  // namespace

PmixProcess::PmixProcess(const Options& options) : options_(options) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) fail("make a socket");
  control_ = Descriptor(ends[0]);
  Descriptor their_control(ends[1]);
  std::vector<int> inherited{their_control.get(), options.board};
  std::vector<Descriptor> their_outputs;
  for (int rank = 0; rank < options.num_ranks; ++rank) {
    auto [out, their_out] = make_pipe();
    auto [err, their_err] = make_pipe();
    outputs_.push_back({std::move(out), std::move(err)});
    for (Descriptor* theirs : {&their_out, &their_err}) {
      inherited.push_back(theirs->get());
      their_outputs.push_back(std::move(*theirs));
    }
  }
  spawn(inherited);
}

void PmixProcess::spawn(const std::vector<int>& inherited) {
  SpawnPlan plan;
  std::vector<Descriptor> moved;
  int least = kFirstInherited + static_cast<int>(inherited.size());
  for (int descriptor : inherited) moved.push_back(moved_above(descriptor, least));
  for (size_t i = 0; i < moved.size(); ++i) {
    plan.copy(moved[i].get(), kFirstInherited + static_cast<int>(i));
  }
  plan.open_log(STDERR_FILENO, options_.log);
  if (!options_.gives_stdin) plan.open_null(STDIN_FILENO);
  std::vector<std::string> words{
      options_.program, "--session-dir",  options_.session_dir,
      "--shm-dir",      options_.shm_dir, "--hostname",
      options_.node,    "--local-ranks",  std::to_string(options_.num_ranks)};
  for (const std::string& dir : options_.agent_dirs) {
    words.insert(words.end(), {"--agent-dir", dir});
  }
  pid_ = plan.run(words);
}

PmixProcess::~PmixProcess() {
  kill();
  if (!ended_) waitpid(pid_, nullptr, 0);
}

void PmixProcess::kill() {
  if (!ended_) ::kill(pid_, SIGKILL);
}

bool PmixProcess::ended() {
  if (!ended_) ended_ = waitpid(pid_, nullptr, WNOHANG) == pid_;
  return ended_;
}

void PmixProcess::send(const ToPmix& order) {
  try {
    send_frame(control_.get(), frame_of(order));
  } catch (const Error&) {
    // It has gone, which receive() and ended() will tell.
  }
}

std::vector<FromPmix> PmixProcess::receive() {
  std::array<char, 65536> buffer{};
  while (true) {
    ssize_t count = recv(control_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    closed_ = closed_ || count == 0 || (count < 0 && errno != EAGAIN);
    if (count <= 0) break;
    reader_.feed({buffer.data(), static_cast<size_t>(count)});
  }
  std::vector<FromPmix> reports;
  while (auto frame = reader_.next()) reports.push_back(read_from_pmix(std::move(*frame)));
  return reports;
}

std::string PmixProcess::last_words() const {
  constexpr size_t kMaxBytes = 1000;
  std::ifstream file(options_.log);
  std::string text(kMaxBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

void end_orphans(const std::vector<pid_t>& spared) {
  // What dies leaves its own children to this process, so it takes several rounds.
  for (int round = 0; round < 100; ++round) {
    bool any = false;
    for (pid_t pid : children()) {
      if (std::find(spared.begin(), spared.end(), pid) != spared.end()) continue;
      ::kill(pid, SIGKILL);
      any = waitpid(pid, nullptr, 0) == pid || any;
    }
    if (!any) return;
  }
}

}  // namespace tessera::agent
