#include "launcher/agent/agent_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/error.h"

namespace tessera::agent {
namespace {

sigset_t agent_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGCHLD}) {
    sigaddset(&set, signal);
  }
  // nohup wants a job to outlive its terminal; blocked, an ignored signal would be seen all the
  // same.
  struct sigaction action {};
  bool ignored = sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
  if (ignored) sigdelset(&set, SIGHUP);
  return set;
}

}  // namespace

void block_agent_signals() {
  sigset_t set = agent_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

AgentSignals::AgentSignals() {
  sigset_t set = agent_signals();
  descriptor_ = Descriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  TESSERA_CHECK(descriptor_.is_open(), "cannot watch signals: {}", std::strerror(errno));
}

std::optional<AgentSignals::Request> AgentSignals::next(int64_t now_ms) {
  signalfd_siginfo info{};
  while (read(descriptor_.get(), &info, sizeof info) == sizeof info) {
    auto signal = static_cast<int>(info.ssi_signo);
    // It has woken the agent, which looks for itself who has ended.
    if (signal == SIGCHLD) continue;
    if (signal == SIGUSR1 || signal == SIGUSR2) return Request{Wish::pass_on, signal};
    pid_t sender = info.ssi_code <= 0 ? static_cast<pid_t>(info.ssi_pid) : 0;
    job::StopRequest stop{signal, sender, static_cast<long>(now_ms)};
    if (!first_stop_) {
      first_stop_ = stop;
      return Request{Wish::leave, signal};
    }
    if (!job::is_same_request(*first_stop_, stop)) return Request{Wish::end_at_once, signal};
  }
  return std::nullopt;
}

}  // namespace tessera::agent
