// What a wrong configuration throws, and how text from outside is shown in a message.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace tessera::experiment {

// The user's configuration cannot be used. The message starts with the place: FILE:LINE:COLUMN
// (from 1, columns in bytes) or the override as it was given.
class ConfigError : public Error {
 public:
  // What a command that fails with this error exits with: bad usage or config.
  static constexpr int kExitCode = 2;
  using Error::Error;
};

// text in single quotes, fit for one line of a message (core/printable.h), and long text cut, at a
// character's boundary, with "..." after the quote.
std::string in_quotes(std::string_view text);

}  // namespace tessera::experiment
