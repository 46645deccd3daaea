// This node's ranks as processes.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/descriptor.h"
#include "launcher/agent/pmix_server/rank_child.h"

namespace tessera::agent {

struct RankProgram {
  std::vector<std::string> arguments;    // the program first; looked up in the environment's PATH
  std::vector<std::string> environment;  // all of it
  std::string folder;
  std::vector<int64_t> cpus;  // none: any
};

struct RankExit {
  size_t local_index = 0;
  bool by_signal = false;
  int value = 0;        // the exit code, or the signal
  std::string failure;  // why the program could not be started, or empty
};

class RankProcesses {
 public:
  explicit RankProcesses(size_t num_ranks) : ranks_(num_ranks) {}

  // Forks; from the main thread, since ranks die with the thread that forked them. Closes this
  // process's ends of the rank's output pipes. Throws Error if there can be no further process.
  pid_t start(size_t local_index, RankProgram program);

  // Ranks that have ended since the last call, each once. Takes in all other children that have
  // ended, too.
  std::vector<RankExit> reap();

  // To the process groups of all ranks that live.
  void signal_all(int signal) const;

 private:
  struct Rank {
    pid_t pid = -1;  // -1: not started, or ended
    RankProgram program;
    Descriptor failure;
  };

  RankExit make_exit(Rank& rank, int status) const;

  std::vector<Rank> ranks_;
};

}  // namespace tessera::agent
