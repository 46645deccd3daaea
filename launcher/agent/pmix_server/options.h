// The command line of tessera-pmix, and the descriptors that it inherits.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tessera::agent {

inline constexpr int kControlDescriptor = 3;
// A memfd of the agent, which every rank gets under the same number.
inline constexpr int kBoardDescriptor = 4;

// The ends of pipes into which a local rank writes.
inline int output_descriptor(size_t local_index) { return 5 + 2 * static_cast<int>(local_index); }
inline int error_descriptor(size_t local_index) { return 6 + 2 * static_cast<int>(local_index); }

struct Options {
  // Made at the start and removed at the end: the PMIx server's and the ranks' files, and their
  // shared memory.
  std::string session_dir;
  std::string shm_dir;
  // This node's name, as in the order `prepare`.
  std::string hostname;
  size_t local_ranks = 0;
  // The agent's own folders, which are removed when it was killed.
  std::vector<std::string> agent_dirs;
};

// Takes the arguments after the program's name. Throws Error for anything but the four options that
// are needed and any number of --agent-dir.
Options parse_options(std::span<char* const> arguments);

// Throws Error if one of the descriptors that the options promise is not open, then makes all of
// them close on exec.
void adopt_descriptors(const Options& options);

}  // namespace tessera::agent
