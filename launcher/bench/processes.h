// Programs that a benchmark runs, and the folder for their files.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace tessera::bench {

// A folder of its own inside `parent`, removed with everything in it.
class Scratch {
 public:
  explicit Scratch(const std::string& parent);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

using Words = std::vector<std::string>;

// A program in a process group of its own, without input, whose output goes to a file. The
// destructor ends the group.
class Program {
 public:
  // env is on top of this process's environment. An Error where it cannot be started.
  Program(Words argv, std::string output, const std::map<std::string, std::string>& env = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  // Waits for the end. An Error with the last of what it printed where it ended with anything but
  // 0, or not within the time; Interrupted when this process is asked to stop.
  void wait(std::chrono::seconds timeout);
  // What it has printed so far.
  std::string printed() const;

 private:
  void end();

  Words argv_;
  std::string output_;
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

// Runs a program to its end; what it printed.
std::string run_program(const Scratch& scratch, const Words& argv,
                        const std::map<std::string, std::string>& env = {});

// The tessera command that is running.
std::string own_command();

// The first program of that name in PATH; empty: there is none.
std::string find_program(const std::string& name);

}  // namespace tessera::bench
