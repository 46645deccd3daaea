// The fences of one generation: what its nodes contribute to each.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

class FenceTable {
 public:
  // All that the fences of one generation may hold, keys and participants included.
  static constexpr size_t kMaxBytes = size_t{256} << 20;

  // Takes what node `node` of num_nodes contributes. A contribution may be repeated, as long as it
  // is the same: an agent does so when it does not know whether the first arrived.
  void contribute(int node, int num_nodes, const FenceCall& call, Outputs& out);
  void abandon(CallId call);
  // Refuses all who wait, and forgets everything.
  void clear(const std::string& reason, Outputs& out);

 private:
  struct Fence {
    std::map<int, std::string> data;  // by node; complete with one for each participant
    std::vector<CallId> waiting;
  };
  using Key = std::pair<std::string, std::vector<int>>;

  std::map<Key, Fence> fences_;
  size_t bytes_ = 0;
};

}  // namespace tessera::rendezvous
