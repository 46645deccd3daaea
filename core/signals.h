// Where handlers of signals may run.
//
// Some of oneDNN's matrix products keep their stack pointer in a buffer on the heap while they run
// (2.6, its jit gemm from 128 rows of b on): a handler that runs then, on the thread's own stack,
// is given heap memory that is in use. So threads that only compute take no signals, the calling
// thread takes none during such a product, and this project's own handlers run on a stack of their
// own.
#pragma once

#include <csignal>

namespace tessera {

// While one lives, the thread that made it takes no signals but those of its own faults (SIGSEGV,
// SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS); what comes for the process goes to another
// thread or waits. One inside another costs nothing; the first costs two system calls.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  bool first_;
  sigset_t before_;
};

// Installs a handler that runs on a stack of its own in the threads that have one, the calling
// thread from now on among them, and after which system calls go on (SA_RESTART).
void handle_signal(int signal, void (*handler)(int, siginfo_t*, void*));

}  // namespace tessera
