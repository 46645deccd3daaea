#include "launcher/agent/pmix_server/rank_child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "launcher/agent/pmix_server/options.h"

namespace tessera::agent {
namespace {

[[noreturn]] void fail(const ChildPlan& plan, ChildStep step) noexcept {
  ChildFailure failure{step, errno};
  // Nobody is left to hear of an error of this write.
  [[maybe_unused]] ssize_t written = write(plan.failure, &failure, sizeof failure);
  _exit(127);
}

// A rank never outlives its server, not even one that ended before this call.
void die_with_parent(pid_t parent) noexcept {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
}

void reset_signals() noexcept {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool place_descriptors(const ChildPlan& plan) noexcept {
  return dup2(plan.input, STDIN_FILENO) >= 0 && dup2(plan.output, STDOUT_FILENO) >= 0 &&
         dup2(plan.errors, STDERR_FILENO) >= 0 &&
         // Also what libpmix opens without the flag.
         close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && fcntl(kBoardDescriptor, F_SETFD, 0) == 0;
}

}  // namespace

void run_child(const ChildPlan& plan) noexcept {
  die_with_parent(plan.parent);
  setpgid(0, 0);
  reset_signals();
  if (!place_descriptors(plan)) fail(plan, ChildStep::descriptors);
  if (plan.cpus && sched_setaffinity(0, plan.cpus_bytes, plan.cpus) != 0) {
    fail(plan, ChildStep::binding);
  }
  if (chdir(plan.folder) != 0) fail(plan, ChildStep::folder);
  // execvp looks the program up in the PATH of the environment that is set.
  environ = plan.environment;
  execvp(plan.arguments[0], plan.arguments);
  fail(plan, ChildStep::program);
}

}  // namespace tessera::agent
