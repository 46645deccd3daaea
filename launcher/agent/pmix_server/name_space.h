// The job as libpmix knows it: a name space with its nodes and ranks.
#pragma once

#include <string>
#include <vector>

#include "launcher/agent/pmix_server/job_layout.h"

namespace tessera::agent {

// Registers the job, and this node's ranks as clients of this user: before the first of them is
// started. Makes the ranks' folders in `session_dir`. Throws Error.
void register_job(const JobLayout& layout, const std::string& session_dir);

// What makes a process a rank of the job, as NAME=VALUE. Throws Error.
std::vector<std::string> identity_of(const JobLayout& layout, uint32_t rank);

}  // namespace tessera::agent
