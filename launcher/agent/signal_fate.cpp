#include "launcher/agent/signal_fate.h"

#include <fmt/format.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace tessera::agent {

bool would_die_of(int signal, pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  uint64_t bit = uint64_t{1} << (signal - 1);
  bool known = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("SigBlk:") || line.starts_with("SigIgn:") || line.starts_with("SigCgt:")) {
      known = true;
      if ((std::stoull(line.substr(7), nullptr, 16) & bit) != 0) return false;
    }
  }
  return known;
}

}  // namespace tessera::agent
