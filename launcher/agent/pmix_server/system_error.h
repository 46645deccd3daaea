// What the system said about a call that failed.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include "core/error.h"

namespace tessera::agent {

inline std::string reason_of(int error_number) {
  return std::generic_category().message(error_number);
}

// `what` is what could not be done, as in "read the control socket". Reads errno.
[[noreturn]] inline void throw_system_error(std::string_view what) {
  throw Error(fmt::format("cannot {}: {}", what, reason_of(errno)));
}

}  // namespace tessera::agent
