// What a rank finds in its environment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/rendezvous.pb.h"

namespace tessera::agent {

struct RankEnvironment {
  rendezvous::v1::Plan plan;
  int place = 0;  // of this node in it
  std::string job_id;
  int64_t started_at = 0;
  std::string shared_memory;  // this generation's folder in it
  std::string snapshots;      // the node's folder for those that outlive a generation; or none
  bool bind = true;           // ranks to cores of their own, where there are enough

  int num_local() const { return plan.nodes(place).slots(); }
  int first_rank() const;

  // NAME=VALUE for all ranks, beginning with `inherited`, in which the user's choices stand.
  std::vector<std::string> common(const std::vector<std::string>& inherited) const;
  // What is added for one.
  std::vector<std::string> of(int local_rank) const;
  // The cores that it may use; empty: any.
  std::vector<int64_t> cores_of(int local_rank) const;
};

// This process's environment as NAME=VALUE.
std::vector<std::string> own_environment();

}  // namespace tessera::agent
