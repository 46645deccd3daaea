// Carries libpmix's operations that span nodes to the agent and back. Main thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "launcher/agent/from_pmix.h"
#include "launcher/agent/pmix_server/job_layout.h"
#include "launcher/agent/pmix_server/upcalls.h"
#include "launcher/agent/to_pmix.h"

namespace tessera::agent {

// A fence is known by its key, "0,1#3": its members, "*" for all ranks, and how many fences of
// the same members came before. Every node gives it the same key.
class Relay {
 public:
  // Both stay the caller's.
  Relay(const JobLayout& layout, EventQueue& queue) : layout_(layout), queue_(queue) {}

  // The report to the agent that an event asks for. None: it is settled here.
  std::optional<FromPmix> report(Event event);

  // The orders. All throw Error for something that this server has not asked for, or cannot have.
  void finish(const to_pmix::FenceDone& order);
  void finish(const to_pmix::ModexDone& order);
  void look_up(const to_pmix::LookUp& order);

 private:
  std::optional<FromPmix> on(const ClientConnected& event);
  std::optional<FromPmix> on(const ClientFinalized& event);
  std::optional<FromPmix> on(const ClientAborted& event);
  std::optional<FromPmix> on(FenceCalled& event);
  std::optional<FromPmix> on(const ModexWanted& event);
  std::optional<FromPmix> on(const ServiceWanted& event);
  std::optional<FromPmix> on(ModexFound& event);

  bool is_member(const pmix_proc_t& id) const;

  const JobLayout& layout_;
  EventQueue& queue_;
  std::map<std::string, uint64_t> num_fences_;  // by the members' names
  std::map<std::string, Completion> fences_;    // by key
  std::map<int64_t, Completion> modexes_;       // by id
  int64_t next_id_ = 0;
};

}  // namespace tessera::agent
