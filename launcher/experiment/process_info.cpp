#include "launcher/experiment/process_info.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/cpu/cpu.h"
#include "distributed/comm/direct/mpi_communicator.h"

namespace tessera::experiment {

std::string build_id() {
  return fmt::format("tessera {} ({}, {})", TESSERA_VERSION, __VERSION__, cpu::library_versions());
}

int process_id() { return getpid(); }

bool stdout_is_terminal() {
  if (isatty(STDOUT_FILENO) != 1) return false;
  if (!launched_by_mpi()) return true;
  // Open MPI gives its ranks a terminal of their own and passes on what they write there: what
  // counts is where mpirun, the parent, writes to.
  std::error_code error;
  auto target = std::filesystem::read_symlink(fmt::format("/proc/{}/fd/1", getppid()), error);
  return target.string().starts_with("/dev/pts/") || target.string().starts_with("/dev/tty");
}

double seconds_since_process_start() {
  // The 22nd field of /proc/self/stat is the start in clock ticks since boot; the 2nd, the name in
  // parentheses, may hold blanks.
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 22; ++i) fields >> skipped;
  double ticks = 0;
  fields >> ticks;
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) -
         ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace tessera::experiment
