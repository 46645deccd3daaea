#include "launcher/agent/pmix_server/descendants.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <vector>

#include "launcher/agent/pmix_server/system_error.h"

namespace tessera::agent {
namespace {

// Any thread of a process can be the one that a child belongs to.
std::vector<pid_t> children() {
  std::vector<pid_t> out;
  std::error_code error;
  std::filesystem::directory_iterator tasks("/proc/self/task", error);
  for (const auto& task : tasks) {
    std::ifstream list(task.path() / "children");
    for (pid_t pid = 0; list >> pid;) out.push_back(pid);
  }
  return out;
}

// Until a child ends, or a moment passes in which one may have become ours without a signal.
void wait_for_child() {
  sigset_t ended;
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  timespec moment{0, 2'000'000};
  sigtimedwait(&ended, nullptr, &moment);
}

}  // namespace

void adopt_descendants() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) throw_system_error("adopt orphaned descendants");
  std::ifstream list("/proc/thread-self/children");
  if (!list) throw_system_error("list children, as the kernel's CONFIG_PROC_CHILDREN allows");
}

bool end_descendants(std::chrono::milliseconds limit) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    for (pid_t pid : children()) kill(pid, SIGKILL);
    pid_t reaped;
    while ((reaped = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (reaped < 0 && errno == ECHILD) return true;
    if (std::chrono::steady_clock::now() > deadline) return false;
    wait_for_child();
  }
}

}  // namespace tessera::agent
