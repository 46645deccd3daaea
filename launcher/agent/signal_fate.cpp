#include "launcher/agent/signal_fate.h"

#include <fmt/format.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace tessera::agent {

SignalFate fate_of(pid_t process, int signal) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  uint64_t bit = uint64_t{1} << (signal - 1);
  auto fate = SignalFate::lives;
  for (std::string line; std::getline(file, line);) {
    bool blocked = line.starts_with("SigBlk:");
    if (!blocked && !line.starts_with("SigIgn:") && !line.starts_with("SigCgt:")) continue;
    bool set = (std::stoull(line.substr(7), nullptr, 16) & bit) != 0;
    // Blocked comes first in the file.
    if (blocked) fate = set ? SignalFate::holds : SignalFate::dies;
    else if (set) return SignalFate::lives;
  }
  return fate;
}

}  // namespace tessera::agent
