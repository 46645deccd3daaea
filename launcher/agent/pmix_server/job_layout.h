// Which nodes a job has, and which ranks are where.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/agent/to_pmix.h"

namespace tessera::agent {

struct JobLayout {
  std::string nspace;  // the job's name to PMIx: unguessable, and new for every generation
  std::vector<std::string> nodes;
  std::vector<std::vector<uint32_t>> ranks;  // of every node, by local index
  std::vector<uint32_t> node_of;             // of every rank
  uint32_t node_index = 0;                   // this node's

  uint32_t world_size() const { return static_cast<uint32_t>(node_of.size()); }
  const std::vector<uint32_t>& local_ranks() const { return ranks[node_index]; }
};

// Throws Error unless the ranks are 0 to world_size - 1, each once, some on every node, and nspace
// and node names consist of letters, digits and "._-": libpmix makes file names of them.
JobLayout layout_of(const to_pmix::Prepare& order);

}  // namespace tessera::agent
