#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace tessera::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::milliseconds(5);
constexpr auto kGrace = std::chrono::seconds(2);

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string unique_mark() {
  static std::atomic<int> count = 0;
  return "TESSERA_TEST_PROCESS=" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

std::vector<std::string> environment_of(const Command& command, const std::string& mark) {
  std::vector<std::string> all{mark};
  for (const auto& [name, value] : command.env) {
    all.push_back(name);
    all.back().append("=").append(value);
  }
  for (char** entry = environ; *entry; ++entry) {
    std::string_view text(*entry);
    std::string name(text.substr(0, text.find('=')));
    bool replaced = command.env.contains(name) || mark.starts_with(name + "=");
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Whether the process, if it lives and may be looked at, was started with that entry.
bool has_entry(const std::filesystem::path& process, const std::string& entry) {
  std::ifstream file(process / "environ", std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(file)), {});
  return ('\0' + all).find('\0' + entry + '\0') != std::string::npos;
}

// What the child does between fork and exec: only calls that are safe after a fork.
struct Child {
  char* const* argv;
  char* const* envp;
  const char* cwd;  // or null
  std::optional<rlimit> file_size;
  pid_t parent;
  int out;
  int err;

  [[noreturn]] void become() const {
    setpgid(0, 0);
    // Nothing survives a test that is killed itself.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    int null = open("/dev/null", O_RDONLY);
    bool ready = null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
                 dup2(err, STDERR_FILENO) >= 0 && (!cwd || chdir(cwd) == 0) &&
                 (!file_size || setrlimit(RLIMIT_FSIZE, &*file_size) == 0);
    if (ready) execvpe(argv[0], argv, envp);
    const char* reason = strerrordesc_np(errno);
    for (const char* part : {static_cast<const char*>(argv[0]), ": ", reason, "\n"}) {
      [[maybe_unused]] ssize_t ignored = write(STDERR_FILENO, part, std::strlen(part));
    }
    _exit(127);
  }
};

}  // namespace

// Reads the command's output as it comes, so that a full pipe never holds the command up.
class Process::Capture {
 public:
  Capture() {
    for (Stream& stream : streams_) {
      std::array<int, 2> ends{};
      if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
      stream.read_end = ends[0];
      stream.write_end = ends[1];
    }
  }
  ~Capture() {
    finish();
    for (Stream& stream : streams_) close(stream.read_end);
  }

  int out() const { return streams_[0].write_end; }
  int err() const { return streams_[1].write_end; }

  // Called when the child has its copies of the write ends.
  void begin() {
    close_write_ends();
    reader_ = std::thread([this] { read_all(); });
  }
  // Waits for the end of both streams, which comes when no process holds them any more.
  void finish() {
    close_write_ends();
    if (reader_.joinable()) reader_.join();
  }
  std::string take_out() { return std::move(streams_[0].text); }
  std::string take_err() { return std::move(streams_[1].text); }

 private:
  struct Stream {
    int read_end = -1;
    int write_end = -1;
    bool open = true;
    std::string text;
  };

  void close_write_ends() {
    for (Stream& stream : streams_) {
      if (stream.write_end >= 0) close(std::exchange(stream.write_end, -1));
    }
  }

  void read_all() {
    while (streams_[0].open || streams_[1].open) {
      std::array<pollfd, 2> waiting{};
      for (size_t i = 0; i < 2; ++i) {
        waiting[i] = {streams_[i].open ? streams_[i].read_end : -1, POLLIN, 0};
      }
      poll(waiting.data(), waiting.size(), -1);
      for (size_t i = 0; i < 2; ++i) {
        if (waiting[i].revents != 0) read_some(streams_[i]);
      }
    }
  }

  static void read_some(Stream& stream) {
    std::array<char, 65536> buffer;
    ssize_t count = read(stream.read_end, buffer.data(), buffer.size());
    if (count > 0) stream.text.append(buffer.data(), static_cast<size_t>(count));
    stream.open = count > 0 || (count < 0 && errno == EINTR);
  }

  std::array<Stream, 2> streams_;
  std::thread reader_;
};

Process::Process(const Command& command)
    : mark_(unique_mark()), timeout_(command.timeout), capture_(std::make_unique<Capture>()) {
  start(command);
  capture_->begin();
}

void Process::start(const Command& command) {
  std::vector<std::string> argv = command.argv;
  std::vector<std::string> env = environment_of(command, mark_);
  std::vector<char*> argv_pointers = pointers_to(argv);
  std::vector<char*> env_pointers = pointers_to(env);
  Child child{argv_pointers.data(),
              env_pointers.data(),
              command.cwd.empty() ? nullptr : command.cwd.c_str(),
              std::nullopt,
              getpid(),
              capture_->out(),
              capture_->err()};
  if (command.max_file_bytes) {
    child.file_size = rlimit{*command.max_file_bytes, *command.max_file_bytes};
  }
  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) child.become();
}

Process::~Process() {
  if (!ended_) kill(pid_, SIGKILL);
  end_members(std::chrono::milliseconds(0));
  wait_until(Clock::now() + kGrace);
}

std::vector<pid_t> Process::members(const std::string& entry) const {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& item : std::filesystem::directory_iterator("/proc", ignored)) {
    std::string name = item.path().filename().string();
    pid_t pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    bool is_ours =
        has_entry(item.path(), mark_) && (entry.empty() || has_entry(item.path(), entry));
    if (is_ours) found.push_back(pid);
  }
  return found;
}

bool Process::wait_until(Clock::time_point deadline) {
  while (!ended_) {
    ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
    if (ended_ || Clock::now() >= deadline) break;
    std::this_thread::sleep_for(kPause);
  }
  return ended_;
}

size_t Process::end_members(std::chrono::milliseconds grace) const {
  if (eventually(grace, [this] { return members().empty(); })) return 0;
  size_t num_left = members().size();
  // One that is just being forked is seen in the next round.
  eventually(kGrace, [this] {
    std::vector<pid_t> left = members();
    for (pid_t pid : left) kill(pid, SIGKILL);
    return left.empty();
  });
  return num_left;
}

Outcome Process::wait() {
  Outcome outcome;
  outcome.timed_out = !wait_until(start_ + timeout_);
  outcome.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  outcome.num_left = end_members(outcome.timed_out ? std::chrono::milliseconds(0) : kGrace);
  wait_until(Clock::now() + kGrace);
  capture_->finish();
  outcome.out = capture_->take_out();
  outcome.err = capture_->take_err();
  if (WIFEXITED(status_)) outcome.exit_code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) outcome.signal = WTERMSIG(status_);
  return outcome;
}

Outcome run(const Command& command) { return Process(command).wait(); }

bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& holds) {
  Clock::time_point deadline = Clock::now() + limit;
  while (!holds()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace tessera::test
