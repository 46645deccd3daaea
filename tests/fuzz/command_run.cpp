#include "tests/fuzz/command_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace tessera::fuzz {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLimit{30};
// A case may ask for more than the machine has; it must hear no.
constexpr rlim_t kMemory = rlim_t{8} << 30;

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A stream of the child's; what is kept goes to a file in the folder.
void redirect(Output output, int stream, const std::string& file) {
  if (output == Output::closed) {
    close(stream);
    return;
  }
  int to = -1;
  if (output == Output::full) {
    to = open("/dev/full", O_WRONLY);
  } else if (output == Output::reader_leaves) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) _exit(126);
    close(ends[0]);
    to = ends[1];
  } else {
    to = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  }
  if (to < 0 || dup2(to, stream) < 0) _exit(126);
  if (to != stream) close(to);
}

[[noreturn]] void become(const Case& test_case, const std::string& program,
                         const std::string& folder) {
  setpgid(0, 0);
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  rlimit memory{kMemory, kMemory};
  setrlimit(RLIMIT_AS, &memory);
  std::signal(SIGPIPE, SIG_DFL);
  if (chdir(folder.c_str()) != 0) _exit(126);
  setenv("HOME", folder.c_str(), 1);
  for (const auto& [name, value] : test_case.environment) {
    if (value) setenv(name.c_str(), value->c_str(), 1);
    else unsetenv(name.c_str());
  }
  int empty = open("/dev/null", O_RDONLY);
  dup2(empty, 0);
  redirect(test_case.out, 1, folder + "/.out");
  redirect(test_case.err, 2, folder + "/.err");
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& word : test_case.arguments) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  _exit(127);
}

// Sends the signals in their time, and kills at the limit.
Outcome wait_for(pid_t pid, const Case& test_case) {
  Outcome outcome;
  auto start = Clock::now();
  size_t sent = 0;
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    auto passed = Clock::now() - start;
    if (sent < test_case.signals.size() && passed >= test_case.signals[sent].first) {
      kill(pid, test_case.signals[sent++].second);
    }
    if (passed >= kLimit && !outcome.timed_out) {
      outcome.timed_out = true;
      kill(-pid, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(-pid, SIGKILL);  // what the command started, and left
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  else outcome.signal = WTERMSIG(status);
  return outcome;
}

bool was_sent(const Case& test_case, int signal) {
  return std::any_of(test_case.signals.begin(), test_case.signals.end(),
                     [&](const auto& one) { return one.second == signal; });
}

bool stops_runs(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGUSR1 || signal == SIGHUP;
}

bool is_run(const Case& test_case) {
  std::string command = test_case.arguments.empty() ? "" : test_case.arguments[0];
  const auto& words = test_case.arguments;
  bool only_tells = std::count(words.begin(), words.end(), "--explain") > 0;
  return (command == "train" || command == "debug") && !only_tells;
}

// Signals that nobody sent, or that mean a crash; codes that are not the command's.
std::string judge_end(const Case& test_case, const Outcome& outcome) {
  if (outcome.timed_out) return fmt::format("it did not end in {} s", kLimit.count());
  // As of any filter whose reader has gone, but for runs, which have work to lose.
  bool piped = test_case.out == Output::reader_leaves || test_case.err == Output::reader_leaves;
  bool is_filter = piped && !is_run(test_case);
  if (outcome.signal != 0) {
    return (is_filter && outcome.signal == SIGPIPE) || was_sent(test_case, outcome.signal)
               ? ""
               : fmt::format("it was ended by signal {} ({})", outcome.signal,
                             strsignal(outcome.signal));
  }
  // 128 + n: a second signal, or the first before the run listens.
  int by_signal = outcome.exit_code - 128;
  bool asked = by_signal > 0 && was_sent(test_case, by_signal);
  asked = asked || (is_filter && by_signal == SIGPIPE);
  constexpr std::array kCodes{0, 1, 2, 75};
  if (asked || std::count(kCodes.begin(), kCodes.end(), outcome.exit_code) > 0) return "";
  return fmt::format("exit code {} is none of the command's", outcome.exit_code);
}

bool has_error_line(const std::string& err) {
  return err.starts_with("tessera: ") || err.find("\ntessera: ") != std::string::npos;
}

// By a signal, a key, or outputs that nobody reads any more.
bool may_stop(const Case& test_case) {
  bool signalled =
      std::any_of(test_case.signals.begin(), test_case.signals.end(),
                  [](const auto& one) { return stops_runs(one.second) || one.second == SIGPIPE; });
  bool told = test_case.yaml.find("stop_after") != std::string::npos;
  for (const std::string& word : test_case.arguments) {
    told = told || word.starts_with("run.stop_after=");
  }
  return signalled || told || test_case.out != Output::kept || test_case.err != Output::kept;
}

// A code that says another thing than the outputs do.
std::string judge_code(const Case& test_case, const Outcome& outcome) {
  if (outcome.signal != 0) return "";
  bool failed = outcome.exit_code == 1 || outcome.exit_code == 2;
  bool heard = test_case.err == Output::kept;
  if (failed && heard && outcome.err.find("tessera") == std::string::npos) {
    return fmt::format("exit code {} without a message", outcome.exit_code);
  }
  if (outcome.exit_code == 75 && !may_stop(test_case)) {
    return "exit code 75 though nobody asked it to stop";
  }
  if (outcome.exit_code == 0 && heard && has_error_line(outcome.err)) {
    // A warning of a run that went on names what it goes on without.
    bool warns = outcome.out.find("digest ") != std::string::npos;
    if (!warns) return "exit code 0 with an error";
  }
  // Every subcommand prints something when it is done.
  bool lost = test_case.out == Output::full || test_case.out == Output::closed;
  if (outcome.exit_code == 0 && lost) return "exit code 0 though its output was lost";
  return "";
}

// A checkpoint's folder that is not whole, or a file that is half there.
std::string judge_files(const Case& test_case, const Outcome& outcome, const std::string& program,
                        const std::string& folder) {
  bool killed = outcome.signal != 0 || outcome.exit_code >= 128 || outcome.timed_out;
  if (killed) return "";
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(".partial") || name.ends_with(".tmp") || name.starts_with(".tmp")) {
      return fmt::format("{} is left behind", entry.path().string());
    }
  }
  std::string run = folder + "/out";
  if (outcome.exit_code == 2 && fs::exists(run)) return "a run's folder of a bad config is left";
  if (fs::exists(run) && fs::is_directory(run) && !fs::exists(run + "/config.yaml")) {
    return "a run's folder without a config is left";
  }
  bool trained = !test_case.arguments.empty() && test_case.arguments[0] == "train" &&
                 outcome.exit_code == 75 && fs::exists(run + "/config.yaml");
  if (!trained) return "";
  Case verify;
  verify.arguments = {"verify", "out"};
  Outcome whole = run_case(verify, program, folder);
  return whole.exit_code == 0 ? "" : "exit code 75 without a whole checkpoint: " + whole.err;
}

}  // namespace

Outcome run_case(const Case& test_case, const std::string& program, const std::string& folder) {
  if (!test_case.yaml.empty()) {
    std::ofstream(folder + "/case.yaml", std::ios::binary) << test_case.yaml;
  }
  pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid == 0) become(test_case, program, folder);
  Outcome outcome = wait_for(pid, test_case);
  outcome.out = content_of(folder + "/.out");
  outcome.err = content_of(folder + "/.err");
  return outcome;
}

std::string verdict(const Case& test_case, const Outcome& outcome, const std::string& program,
                    const std::string& folder) {
  std::string wrong = judge_end(test_case, outcome);
  if (wrong.empty()) wrong = judge_code(test_case, outcome);
  if (wrong.empty()) wrong = judge_files(test_case, outcome, program, folder);
  return wrong;
}

}  // namespace tessera::fuzz
