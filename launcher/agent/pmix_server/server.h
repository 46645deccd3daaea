// tessera-pmix: the PMIx server of one node for one generation of a job. It starts the node's
// ranks, relays what libpmix has to tell other nodes, and ends with all of them; see to_pmix.h and
// from_pmix.h for what it hears of its agent and tells it. One server serves one job: libpmix 4.2
// does not survive ranks that are killed at a bad moment.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "launcher/agent/pmix_server/control_channel.h"
#include "launcher/agent/pmix_server/lease.h"
#include "launcher/agent/pmix_server/options.h"
#include "launcher/agent/pmix_server/private_dir.h"
#include "launcher/agent/pmix_server/rank_processes.h"
#include "launcher/agent/pmix_server/relay.h"
#include "launcher/agent/pmix_server/upcalls.h"

namespace tessera::agent {

class Server {
 public:
  // Throws Error.
  explicit Server(Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until the agent orders the end, is gone or fails to renew its lease, or until a
  // failure; then kills what it started and removes its folders. Returns the exit code: 0, or 1
  // after a failure. The process has to end with _exit: threads of libpmix still run, and its
  // own way to end may never return.
  int run();

 private:
  void set_up();
  void serve();
  void take_signals();
  void take_events();
  void take_orders();
  bool clean_up();
  void clean_up_after_agent() const;

  void obey(const to_pmix::Prepare& order);
  void obey(const to_pmix::Program& order);
  void obey(const to_pmix::Rank& order);
  void obey(const to_pmix::Start& order);
  void obey(const to_pmix::FenceDone& order) { relay_for(order.kType).finish(order); }
  void obey(const to_pmix::Signal& order) { processes_.signal_all(order.number); }
  void obey(const to_pmix::Lease& order) { lease_.renew(order.deadline_ms); }
  void obey(const to_pmix::End&) { ending_ = true; }
  void obey(const to_pmix::LookUp& order) { relay_for(order.kType).look_up(order); }
  void obey(const to_pmix::ModexDone& order) { relay_for(order.kType).finish(order); }
  // Throws Error before there is a job.
  Relay& relay_for(FrameType order);

  RankProgram program_of(size_t local_index) const;
  void report_exit(const RankExit& exit);
  // Tells the agent, and those who read this process's errors.
  void report_failure(const std::string& text);

  Options options_;
  ControlChannel control_{kControlDescriptor};
  std::vector<PrivateDir> dirs_;
  // Never freed: threads of libpmix use it until the process ends.
  EventQueue& events_;
  Descriptor signals_;
  Lease lease_;
  bool ending_ = false;
  const pid_t agent_;  // this process's parent
  bool hung_up_ = false;

  std::optional<JobLayout> layout_;
  std::optional<Relay> relay_;
  std::optional<to_pmix::Program> program_;
  std::vector<std::optional<to_pmix::Rank>> rank_orders_;
  bool started_ = false;
  RankProcesses processes_;
};

}  // namespace tessera::agent
