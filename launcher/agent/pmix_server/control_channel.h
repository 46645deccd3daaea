// The server's end of the socket to its agent. Nothing here blocks: an agent that has stopped must
// not keep the server from its lease.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "launcher/agent/from_pmix.h"
#include "launcher/agent/to_pmix.h"

namespace tessera::agent {

class ControlChannel {
 public:
  // The descriptor stays the caller's.
  explicit ControlChannel(int descriptor) : descriptor_(descriptor) {}

  int descriptor() const { return descriptor_; }
  // What to poll for.
  short poll_events() const;

  // Sends a report, or keeps what the socket does not take now. Once the agent is gone, nothing
  // happens. Throws Error for one that is too large.
  void post(const FromPmix& report);
  // Sends what was kept, as far as the socket takes it.
  void flush();
  // Flushes until all is sent, the agent is gone or the time is over.
  void flush_within(std::chrono::milliseconds limit);

  // Reads what has come. False: the agent is gone.
  bool receive();
  // The next order of what was read. Throws Error if it is none.
  std::optional<ToPmix> next();

 private:
  int descriptor_;
  bool gone_ = false;
  std::string unsent_;
  FrameReader reader_;
};

}  // namespace tessera::agent
