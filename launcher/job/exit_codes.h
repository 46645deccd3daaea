// What the command and its ranks exit with, as README.md tells.
#pragma once

namespace tessera::job::exit_codes {

inline constexpr int kFailed = 1;
// A wrong option, config or environment: no other run of the same can do better.
inline constexpr int kBadUsage = 2;
// It was asked to stop and has saved what it takes to go on (EX_TEMPFAIL of sysexits.h).
inline constexpr int kStopped = 75;
// A signal's number is added to it, as shells do.
inline constexpr int kSignalBase = 128;

}  // namespace tessera::job::exit_codes
