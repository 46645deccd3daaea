#include "core/signals.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace tessera {
namespace {

thread_local int depth = 0;

sigset_t all_but_faults() {
  sigset_t set;
  sigfillset(&set);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
    sigdelset(&set, fault);
  }
  return set;
}

// A thread's stack for handlers. What unwinds a stack needs some 20 KiB, and the registers of wide
// vectors some 3.
class SignalStack {
 public:
  SignalStack() {
    stack_t present{};
    // A sanitizer or the program itself may have given the thread one.
    if (sigaltstack(nullptr, &present) == 0 && (present.ss_flags & SS_DISABLE) == 0) return;
    bytes_ = std::max<size_t>(size_t{64} << 10, static_cast<size_t>(sysconf(_SC_SIGSTKSZ)));
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TESSERA_CHECK(memory_ != MAP_FAILED, "cannot make a stack for signals: {}",
                  std::strerror(errno));
    stack_t own{};
    own.ss_sp = memory_;
    own.ss_size = bytes_;
    TESSERA_CHECK(sigaltstack(&own, nullptr) == 0, "cannot set a stack for signals: {}",
                  std::strerror(errno));
  }
  ~SignalStack() {
    if (bytes_ == 0) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    if (sigaltstack(&none, nullptr) == 0) munmap(memory_, bytes_);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;  // 0: not ours
};

}  // namespace

SignalsBlocked::SignalsBlocked() : first_(depth++ == 0) {
  static const sigset_t kSet = all_but_faults();
  if (first_) pthread_sigmask(SIG_BLOCK, &kSet, &before_);
}

SignalsBlocked::~SignalsBlocked() {
  --depth;
  if (first_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void handle_signal(int signal, void (*handler)(int, siginfo_t*, void*)) {
  thread_local SignalStack stack;
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace tessera
