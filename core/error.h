// Errors: one exception type, two checks, and the place of the call.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include "core/call_site.h"

namespace tessera {

// What every failing call of the library throws. The message is written for the person who made
// the call: the operation in brackets, what was expected, what came.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void throw_error(const std::string& message);
[[noreturn]] void throw_internal_error(const char* condition, CallSite site,
                                       const std::string& message);

}  // namespace tessera

// The caller's mistake: throws Error with a message formatted as by fmt::format.
#define TESSERA_CHECK(condition, ...)                                     \
  do {                                                                    \
    if (!(condition)) ::tessera::throw_error(::fmt::format(__VA_ARGS__)); \
  } while (false)

// Our own mistake: throws Error naming the broken condition and its place.
#define TESSERA_ASSERT(condition, ...)                                                \
  do {                                                                                \
    if (!(condition)) {                                                               \
      ::tessera::throw_internal_error(#condition, {}, ::fmt::format("" __VA_ARGS__)); \
    }                                                                                 \
  } while (false)
