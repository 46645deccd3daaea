// What a wrong configuration throws.
#pragma once

#include "core/error.h"
#include "launcher/job/in_quotes.h"

namespace tessera::experiment {

// The user's configuration cannot be used. The message starts with the place: FILE:LINE:COLUMN
// (from 1, columns in bytes) or the override as it was given.
class ConfigError : public Error {
 public:
  // What a command that fails with this error exits with: bad usage or config.
  static constexpr int kExitCode = 2;
  using Error::Error;
};

}  // namespace tessera::experiment
