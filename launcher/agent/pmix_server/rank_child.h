// What happens in a rank's process before its program runs.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstddef>

namespace tessera::agent {

// The last thing that was tried.
enum class ChildStep : int { none, descriptors, binding, folder, program };

struct ChildFailure {
  ChildStep step = ChildStep::none;
  int error_number = 0;
};

// Everything is made before the fork and stays the parent's; `environment` ends with a null.
struct ChildPlan {
  char* const* arguments = nullptr;
  char** environment = nullptr;
  const char* folder = nullptr;
  const cpu_set_t* cpus = nullptr;  // null: as the parent
  size_t cpus_bytes = 0;
  int input = -1;
  int output = -1;
  int errors = -1;
  int failure = -1;  // takes a ChildFailure; closed by a program that starts
  pid_t parent = -1;
};

// Becomes the program. Between fork and exec in a process with several threads, so it makes only
// calls that are safe there and allocates nothing.
[[noreturn]] void run_child(const ChildPlan& plan) noexcept;

}  // namespace tessera::agent
