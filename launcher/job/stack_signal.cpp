#include "launcher/job/stack_signal.h"

#include <execinfo.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "core/signals.h"

namespace tessera::job {
namespace {

constexpr int kMaxFrames = 48;

void print_stack(int, siginfo_t*, void*) {
  int error = errno;
  constexpr std::string_view kTitle = "the stack of this rank:\n";
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, kTitle.data(), kTitle.size());
  std::array<void*, kMaxFrames> frames{};
  int count = backtrace(frames.data(), kMaxFrames);
  // Without this handler itself.
  if (count > 1) backtrace_symbols_fd(frames.data() + 1, count - 1, STDERR_FILENO);
  errno = error;
}

}  // namespace

void print_stack_on_signal() {
  // The first call loads a library, which a handler must not do.
  std::array<void*, 1> frame{};
  backtrace(frame.data(), 1);
  handle_signal(SIGUSR2, print_stack);
}

}  // namespace tessera::job
