// The signals that ask an agent for something.
#pragma once

#include <cstdint>
#include <optional>

#include "core/descriptor.h"
#include "launcher/job/stop_request.h"

namespace tessera::agent {

// Blocks them, before any thread is started, so that only the agent sees them.
void block_agent_signals();

// Reads them from a descriptor. One request to stop that comes by two ways, or that its sender
// repeats, is given once.
class AgentSignals {
 public:
  enum class Wish {
    pass_on,  // to the ranks
    leave,    // after a checkpoint
    end_at_once
  };
  struct Request {
    Wish wish;
    int signal;
  };

  // Throws Error.
  AgentSignals();

  // Readable while there are some.
  int descriptor() const { return descriptor_.get(); }
  // The next request that is there; none: nothing is asked for now.
  std::optional<Request> next(int64_t now_ms);

 private:
  Descriptor descriptor_;
  std::optional<job::StopRequest> first_stop_;
};

}  // namespace tessera::agent
