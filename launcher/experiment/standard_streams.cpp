#include "launcher/experiment/standard_streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "core/printable.h"
#include "launcher/job/stop_signals.h"

namespace tessera::experiment {
namespace {

// Why standard output failed first, which stdio does not keep; 0: it did not.
int write_error = 0;

// Whether a line can be written without a wait; false when it is time to stop before that.
bool has_room() {
  constexpr int kLookMs = 50;
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  while (poll(&output, 1, kLookMs) <= 0) {
    if (job::stop_signal() != 0) return false;
  }
  return true;
}

// A pipe or a socket without its other end.
bool reader_has_gone() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

}  // namespace

void guard_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) != -1) continue;
    // The lowest free number is this one. Opened the wrong way round, it gives EBADF as before.
    int mode = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    [[maybe_unused]] int opened = open("/dev/null", mode);
  }
}

void print_error(std::string_view line) {
  std::string text = printable_lines(line) + '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

Printed try_print(std::string_view text) {
  if (!has_room()) return Printed::dropped;
  bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) == 0 && written) return Printed::all;
  int reason = errno;
  __fpurge(stdout);
  if (reason == EPIPE) {
    clearerr(stdout);
    return Printed::unread;
  }
  write_error = write_error != 0 ? write_error : reason;
  return Printed::failed;
}

bool is_print_failure(const std::exception& error) {
  const auto* failure = dynamic_cast<const std::system_error*>(&error);
  if (!failure || std::ferror(stdout) == 0) return false;
  write_error = write_error != 0 ? write_error : failure->code().value();
  return true;
}

int finish_output(int code) {
  bool failed = std::ferror(stdout) != 0;
  if (std::fflush(stdout) != 0) {
    failed = true;
    write_error = write_error != 0 ? write_error : errno;
  }
  if (!failed || code != 0) return code;
  constexpr int kEndedByPipe = 128 + SIGPIPE;
  if (reader_has_gone()) return kEndedByPipe;
  print_error(fmt::format("tessera: standard output: cannot write{}{}",
                          write_error == 0 ? "" : ": ",
                          write_error == 0 ? "" : std::strerror(write_error)));
  return 1;
}

}  // namespace tessera::experiment
