// An agent's hold on one tessera-pmix process, which keeps the ranks of one generation.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "launcher/agent/from_pmix.h"
#include "launcher/agent/to_pmix.h"

namespace tessera::agent {

class PmixProcess {
 public:
  struct Options {
    std::string program;  // tessera-pmix
    std::string session_dir;
    std::string shm_dir;
    // The agent's own, which the process removes when the agent was killed.
    std::vector<std::string> agent_dirs;
    std::string node;
    int num_ranks = 1;
    int board = -1;            // a memfd for the ranks
    bool gives_stdin = false;  // this process's, to the first rank
    std::string log;           // where what libpmix prints goes
  };

  // The ends from which a rank's outputs are read.
  struct Outputs {
    Descriptor out;
    Descriptor err;
  };

  // Starts the process, in a process group of its own; an Error where that cannot be.
  explicit PmixProcess(const Options& options);
  // Kills it. Its ranks die with it, and what they started becomes this process's children.
  ~PmixProcess();
  PmixProcess(const PmixProcess&) = delete;
  PmixProcess& operator=(const PmixProcess&) = delete;

  // Readable when there are reports, or when the process has gone.
  int descriptor() const { return control_.get(); }
  // An order; does nothing when the process has gone.
  void send(const ToPmix& order);
  // The reports that have come. Throws Error where what came is none.
  std::vector<FromPmix> receive();
  // Whether there will be no more reports.
  bool is_closed() const { return closed_; }
  // Whether the process is gone and buried.
  bool ended();
  void kill();

  pid_t pid() const { return pid_; }
  Outputs take_outputs(int local_rank) {
    return std::move(outputs_[static_cast<size_t>(local_rank)]);
  }
  // What the process itself had to say, at most a few lines.
  std::string last_words() const;
  const std::string& session_dir() const { return options_.session_dir; }
  const std::string& shm_dir() const { return options_.shm_dir; }

 private:
  void spawn(const std::vector<int>& inherited);

  Options options_;
  pid_t pid_ = -1;
  bool ended_ = false;
  bool closed_ = false;
  Descriptor control_;
  FrameReader reader_;
  std::vector<Outputs> outputs_;
};

// Kills and buries all children of this process but those, and what becomes its children thereby.
void end_orphans(const std::vector<pid_t>& spared);

}  // namespace tessera::agent
