// Running programs: with limits, with their output caught, and with nothing left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::test {

struct Command {
  // The program, a path or a name that is looked up in PATH, and its arguments. No shell sees them.
  std::vector<std::string> argv;
  // On top of the caller's environment.
  std::map<std::string, std::string> env = {};
  // The caller's where it is empty.
  std::string cwd = {};
  // After it, everything that the command started is killed.
  std::chrono::seconds timeout{60};
  // The size at which writes to a file fail (RLIMIT_FSIZE). Pipes have no such limit.
  std::optional<uint64_t> max_file_bytes = {};
};

struct Outcome {
  int exit_code = -1;  // -1: ended by `signal`
  int signal = 0;
  bool timed_out = false;
  // Processes that were still there two seconds after the command had ended; they were killed.
  size_t num_left = 0;
  double seconds = 0;
  std::string out;
  std::string err;
};

// A running command, in a process group of its own and with an empty standard input. What it
// started is known by a mark in the environment, so it is found, and killed at the end, also where
// it has moved to another group or lost its parent.
class Process {
 public:
  // Throws std::system_error if there can be no further process. A program that is not there gives
  // exit code 127.
  explicit Process(const Command& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The command and what it started, as far as they live; with an entry NAME=VALUE, those that
  // have it in their environment.
  std::vector<pid_t> members(const std::string& entry = "") const;

  pid_t pid() const { return pid_; }
  // Sends a signal to the command itself.
  void signal(int number) const { ::kill(pid_, number); }

  // Waits for the end, at most until the timeout. To be called once.
  Outcome wait();

 private:
  class Capture;

  void start(const Command& command);
  bool wait_until(std::chrono::steady_clock::time_point deadline);
  // Gives the members `grace` to end, kills the others, and returns how many those were.
  size_t end_members(std::chrono::milliseconds grace) const;

  std::string mark_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::seconds timeout_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  std::unique_ptr<Capture> capture_;
};

Outcome run(const Command& command);

// Asks every few milliseconds until the answer is yes; false if it is not within `limit`.
bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& holds);

}  // namespace tessera::test
