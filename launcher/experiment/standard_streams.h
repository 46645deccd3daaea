// What a command prints: whether it arrived.
#pragma once

#include <exception>
#include <string_view>

namespace tessera::experiment {

// To be called before anything is opened. What is closed of descriptors 0 to 2 is taken, so that no
// file of ours gets its number; to read from it or write to it remains an error. From now on a
// reader that has gone is an error too, and no signal.
void guard_standard_streams();

// A line to standard error, fit for a terminal whatever text of others is in it. One that cannot be
// written is lost: there is nowhere to say so.
void print_error(std::string_view line);

enum class Printed {
  all,
  dropped,  // the reader does not read, and the process was asked to stop (stop_signal)
  unread,   // nobody is there any more to read it
  failed,   // on a full disk, say; finish_output will tell
};
// Text to standard output, at once.
Printed try_print(std::string_view text);

// Whether that was thrown by a print to standard output, which finish_output will tell of.
bool is_print_failure(const std::exception& error);

// The exit code of a command that would end with `code` after it has printed: where not all has
// arrived, it says why and the code is 1, or 141 without a word where the reader has gone, as of
// programs that a SIGPIPE ends. A code other than 0 stays.
int finish_output(int code);

}  // namespace tessera::experiment
