// Carries libpmix's operations that span nodes to the agent and back. Main thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "launcher/agent/frames.h"
#include "launcher/agent/pmix_server/fields.h"
#include "launcher/agent/pmix_server/job_layout.h"
#include "launcher/agent/pmix_server/upcalls.h"

namespace tessera::agent {

// A fence is known by its key, "0,1#3": its members, "*" for all ranks, and how many fences of
// the same members came before. Every node gives it the same key.
class Relay {
 public:
  // Both stay the caller's.
  Relay(const JobLayout& layout, EventQueue& queue) : layout_(layout), queue_(queue) {}

  // The report to the agent that an event asks for. None: it is settled here.
  std::optional<Frame> report(Event event);

  // The orders. All throw Error for something that this server has not asked for, or cannot have.
  void finish_fence(Fields order);
  void finish_modex(Fields order);
  void look_up(Fields order);

 private:
  std::optional<Frame> on(const ClientConnected& event);
  std::optional<Frame> on(const ClientFinalized& event);
  std::optional<Frame> on(const ClientAborted& event);
  std::optional<Frame> on(FenceCalled& event);
  std::optional<Frame> on(const ModexWanted& event);
  std::optional<Frame> on(const ServiceWanted& event);
  std::optional<Frame> on(ModexFound& event);

  bool is_member(const pmix_proc_t& id) const;

  const JobLayout& layout_;
  EventQueue& queue_;
  std::map<std::string, uint64_t> num_fences_;  // by the members' names
  std::map<std::string, Completion> fences_;    // by key
  std::map<int64_t, Completion> modexes_;       // by id
  int64_t next_id_ = 0;
};

}  // namespace tessera::agent
