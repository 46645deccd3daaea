// This node's ranks of the generation under way: prepared, started, watched and ended by way of the
// process that keeps them.
//
// Invariant: ranks of two generations are never there together; the next are prepared after
// ranks_buried().
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "launcher/agent/agent_protocol.h"
#include "launcher/agent/hang_alarm.h"
#include "launcher/agent/local_ranks.h"
#include "launcher/agent/private_folders.h"
#include "launcher/agent/rank_environment.h"
#include "launcher/agent/rank_keeper.h"
#include "launcher/agent/rank_output.h"
#include "launcher/agent/stop_delivery.h"

namespace tessera::agent {

// What ranks have written is waited for so long, in ms.
inline constexpr int kOutputEndMs = 500;

class NodeRanks {
 public:
  struct Options {
    std::vector<std::string> program;
    v1::Node node;
    std::string pmix_program;  // tessera-pmix
    bool bind = true;
    // Ranks that are without a sign of progress for so long hang; 0: none ever does.
    int64_t hang_ms = 0;
    // Whether there may be another generation.
    bool may_restart = false;
  };

  // Hears of them, from within the calls below.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void ranks_ready() = 0;
    // One has ended, well if there is no failure. code: -1: by a signal.
    virtual void rank_ended(int code, const std::optional<v1::Failure>& failure) = 0;
    virtual void ranks_failed(const v1::Failure& failure) = 0;
    virtual void lease_lapsed() = 0;
    virtual void fence_entered(const from_pmix::Fence& fence) = 0;
    // Nothing of them is left.
    virtual void ranks_buried() = 0;
  };

  // What the others must know of the moment.
  struct Situation {
    bool running;   // the ranks were started, and none has failed
    bool stopping;  // they were asked to stop
  };

  // Folders, output and listener must outlive it.
  NodeRanks(Options options, const PrivateFolders& folders, RankOutput& output, Listener& listener);

  // --- what they have to do
  void prepare(const Prepare& prepare, const v1::JoinReply& membership);
  void start();
  // After a checkpoint, as soon as they can be told.
  void stop() { stop_.ask(); }
  void kill();
  void renew_lease(Millis until) { keeper_.renew_lease(until); }
  void finish_fence(const std::string& key, bool ok, const std::string& data);
  void pass_on(int signal) { keeper_.send(to_pmix::Signal{signal}); }

  // --- to be called again and again
  void take_reports(const Situation& situation);
  // When the process that kept them has gone, nothing of them may be left.
  void bury(const Situation& situation);
  void look_after_time(const Situation& situation);

  // To poll for; none: there is nothing to wait for.
  std::optional<int> descriptor() const { return keeper_.descriptor(); }
  bool are_dying() const { return keeper_.is_ending(); }
  // What they say on their board.
  void add_progress(v1::Beat& beat) const;

 private:
  using Clock = std::chrono::steady_clock;

  to_pmix::Prepare layout(const Prepare& prepare, const v1::JoinReply& membership) const;
  void send_program();

  void take(const from_pmix::Ready&, bool) { listener_.ranks_ready(); }
  void take(const from_pmix::Started& started, bool) { local_->take(started); }
  void take(const from_pmix::ExecFailed& failed, bool) { local_->take(failed); }
  void take(const from_pmix::Connected& connected, bool) { tell(local_->take(connected)); }
  void take(const from_pmix::Finalized& finalized, bool) { local_->take(finalized); }
  void take(const from_pmix::Aborted& aborted, bool) { local_->take(aborted); }
  void take(const from_pmix::Exited& exited, bool stopping);
  void take(const from_pmix::Fence& fence, bool) { listener_.fence_entered(fence); }
  void take(const from_pmix::LeaseExpired&, bool) { listener_.lease_lapsed(); }
  void take(const from_pmix::Ended&, bool) {}
  void take(const from_pmix::Failed& failed, bool) { fail(failed.text); }
  void take(const from_pmix::NotServed& wanted, bool) { tell(local_->take(wanted)); }
  void take(const from_pmix::ModexWanted& wanted, bool);
  void take(const from_pmix::ModexFound&, bool) {}

  void look_for_hangs();
  v1::Failure failure_of(const RankFault& fault);
  void tell(const std::optional<RankFault>& fault);
  void fail(const std::string& text);

  Options options_;
  const PrivateFolders& folders_;
  RankOutput& output_;
  Listener& listener_;
  Descriptor board_memory_;
  job::ProgressBoard board_;
  RankKeeper keeper_;
  RankEnvironment environment_;
  std::optional<LocalRanks> local_;  // of the last generation
  std::optional<HangAlarm> hangs_;
  StopDelivery stop_;
  Clock::time_point started_;
};

}  // namespace tessera::agent
