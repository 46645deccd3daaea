#include "launcher/bench/processes.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/printable.h"
#include "launcher/bench/interrupt.h"

namespace tessera::bench {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A run of the largest model is a minute; more than ten times that is a hang.
constexpr std::chrono::seconds kTimeout{900};
constexpr milliseconds kGrace{3000};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The last lines of a program's output, for an error of one line.
std::string last_of(const std::string& text) {
  constexpr size_t kBytes = 400;
  std::string end = text.size() > kBytes ? "..." + text.substr(text.size() - kBytes) : text;
  while (!end.empty() && end.back() == '\n') end.pop_back();
  return printable(end);
}

// The caller's variables with those of env in their place.
Words environment(const std::map<std::string, std::string>& env) {
  Words out;
  for (char** entry = environ; *entry; ++entry) {
    std::string text = *entry;
    if (!env.contains(text.substr(0, text.find('=')))) out.push_back(text);
  }
  for (const auto& [name, value] : env) out.push_back(fmt::format("{}={}", name, value));
  return out;
}

std::vector<char*> pointers(Words& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

Scratch::Scratch(const std::string& parent) : path_(parent + "/tessera-bench-XXXXXX") {
  TESSERA_CHECK(mkdtemp(path_.data()), "cannot make a folder in {}: {}", printable(parent),
                std::strerror(errno));
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Program::Program(Words argv, std::string output, const std::map<std::string, std::string>& env)
    : argv_(std::move(argv)), output_(std::move(output)) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, output_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  Words variables = environment(env);
  int error = posix_spawn(&pid_, argv_[0].c_str(), &files, &attributes, pointers(argv_).data(),
                          pointers(variables).data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  TESSERA_CHECK(error == 0, "cannot start {}: {}", printable(argv_[0]), std::strerror(error));
}

Program::~Program() { end(); }

bool Program::running() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

// A launcher takes its ranks along when it is asked to end; what is left of the group then is
// killed.
void Program::end() {
  if (!running()) return;
  kill(-pid_, SIGTERM);
  for (auto limit = Clock::now() + kGrace; running() && Clock::now() < limit;) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  kill(-pid_, SIGKILL);
  while (running()) std::this_thread::sleep_for(milliseconds(10));
}

void Program::wait(std::chrono::seconds timeout) {
  // Looking each 5 ms takes nothing from those who are measured.
  for (auto limit = Clock::now() + timeout; running();) {
    throw_if_interrupted();
    if (Clock::now() > limit) {
      end();
      throw Error(fmt::format("'{}' has not ended after {} s: {}", fmt::join(argv_, " "),
                              timeout.count(), last_of(printed())));
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  TESSERA_CHECK(WIFEXITED(status_) && WEXITSTATUS(status_) == 0, "'{}' {} {}: {}",
                fmt::join(argv_, " "), WIFEXITED(status_) ? "ended with" : "was ended by signal",
                WIFEXITED(status_) ? WEXITSTATUS(status_) : WTERMSIG(status_), last_of(printed()));
}

std::string Program::printed() const { return read_file(output_); }

std::string run_program(const Scratch& scratch, const Words& argv,
                        const std::map<std::string, std::string>& env) {
  std::string output = scratch / "output.txt";
  std::error_code ignored;
  std::filesystem::remove(output, ignored);
  Program program(argv, output, env);
  program.wait(kTimeout);
  return program.printed();
}

std::string own_command() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace tessera::bench
