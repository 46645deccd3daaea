// What a node's agent tells of ranks that did not end well.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/agent/hang_watch.h"
#include "proto/rendezvous.pb.h"

namespace tessera::agent {

namespace v1 = rendezvous::v1;

struct RankEnd {
  int rank;
  std::string host;
  bool by_signal;
  int value;                 // the signal, or the exit code
  int64_t after_ms;          // since the ranks' start
  std::string launch_error;  // why the program did not even begin; empty: it did
  std::string stderr_tail;
};

v1::Failure rank_failure(const RankEnd& end);
v1::Failure hang_failure(const Hang& hang, int rank, const std::string& host,
                         const std::string& stderr_tail);
// Of a node as a whole.
v1::Failure launch_failure(const std::string& host, const std::string& text);

}  // namespace tessera::agent
