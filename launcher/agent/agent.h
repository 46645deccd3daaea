// The agent of one node: keeps its ranks as the rendezvous orders, and tells of them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "launcher/agent/agent_protocol.h"
#include "launcher/agent/hang_watch.h"
#include "launcher/agent/pmix_process.h"
#include "launcher/agent/private_folders.h"
#include "launcher/agent/rank_environment.h"
#include "launcher/agent/rank_output.h"
#include "launcher/job/stop_request.h"
#include "launcher/rendezvous/client.h"

namespace tessera::agent {

struct AgentOptions {
  std::vector<std::string> program;
  v1::Node node;
  v1::Job job;
  std::string pmix_program;  // tessera-pmix
  std::string log_folder;    // for the ranks' output; empty: none
  bool bind = true;
  // Ranks that are without a sign of progress for so long hang; 0: none ever does.
  int64_t hang_ms = 10'000;
};

// Signals that ask the agent for something; to be blocked before any thread is started, so that
// only the agent sees them.
void block_agent_signals();

// 256 random bits in hex.
std::string make_token();
// The token that an agent of this user keeps for the rendezvous at that port; empty: none does.
std::string find_token(int port);

class Agent {
 public:
  // Begins at once with what takes its time and needs no rendezvous.
  explicit Agent(AgentOptions options);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Joins the job that meets there. Returns when it is over, or when a second signal ends it at
  // once: the exit code. To be called once.
  int run(const rendezvous::Endpoint& server, const rendezvous::Credentials& credentials);

  // For as long as this agent lives, find_token gives this user's programs the token of the
  // rendezvous at that port of this machine.
  void keep_token(int port, const std::string& token) const;

 private:
  using Clock = std::chrono::steady_clock;
  // What ranks have written is waited for so long, in ms.
  static constexpr int kOutputEndMs = 500;

  void wait();
  void take_messages();
  void take(const rendezvous::Joined& joined);
  void take(const rendezvous::Connected&) { beat_due_ = true; }
  void take(const v1::Order& order);
  void take(const rendezvous::FenceEnded& fence);
  void take(const rendezvous::TurnedAway& refusal);
  void take(const rendezvous::NotYet& refusal);
  void take_reports();
  void take(const from_pmix::Ready&);
  void take(const from_pmix::Started& started);
  void take(const from_pmix::ExecFailed& failed);
  void take(const from_pmix::Connected& connected);
  void take(const from_pmix::Finalized& finalized);
  void take(const from_pmix::Aborted& aborted);
  void take(const from_pmix::Exited& exited);
  void take(const from_pmix::Fence& fence);
  void take(const from_pmix::LeaseExpired&) { act(protocol_.lapsed()); }
  void take(const from_pmix::Ended&) {}
  void take(const from_pmix::Failed& failed);
  void take(const from_pmix::NotServed& wanted);
  void take(const from_pmix::ModexWanted& wanted);
  void take(const from_pmix::ModexFound&) {}
  void take_signals();
  void look_after_time();

  void act(const Actions& actions);
  void act(const Prepare& prepare);
  void act(const Start&);
  void act(const Stop&) { stop_due_ = true; }
  void act(const Kill&);
  void act(const Rejoin&) { join(); }
  void act(const Exit& exit);

  void join();
  void send_beat();
  void send_lease();
  void keep_one_warm();
  void look_for_hangs();
  void stop_when_heard();
  bool ranks_hear(int signal);
  bool may_restart() const;
  void bury();
  void ask_to_leave(const StopRequest& request);
  to_pmix::Prepare layout_order(const Prepare& prepare) const;
  void send_program();
  int local_rank_of(int rank) const;
  std::optional<v1::Failure> failure_of(int local_rank, bool by_signal, int value);
  v1::Failure end_failure(int local_rank, const std::string& text, int value = 1,
                          bool by_signal = false);
  v1::Failure launch_failure(const std::string& text) const;
  void say(const std::string& text);
  void tell_end(const v1::Order& order);
  void await_output();
  void end_output();
  PmixProcess::Options pmix_options();

  AgentOptions options_;
  PrivateFolders folders_;
  Descriptor signals_;
  Descriptor board_memory_;
  experiment::ProgressBoard board_;
  RankOutput output_;
  std::optional<rendezvous::Client> client_;  // while it runs
  AgentProtocol protocol_;
  std::string secret_;  // of the membership that is asked for

  std::unique_ptr<PmixProcess> warm_;  // for the next generation
  std::unique_ptr<PmixProcess> ranks_;
  int num_processes_ = 0;
  RankEnvironment environment_;
  // Local ranks: that called MPI_Init, and MPI_Finalize; that called MPI_Abort, and with what; that
  // ended well without the one, when none had called it yet.
  std::set<int> connected_;
  std::set<int> finalized_;
  std::map<int, int> aborted_;
  std::set<int> ended_alone_;
  std::vector<pid_t> processes_;                 // of the local ranks; 0: has ended
  size_t num_started_ = 0;                       // of them
  bool stop_due_ = false;                        // they have to be told
  std::optional<Clock::time_point> held_since_;  // none would die of the signal, but some hold it
  std::optional<HangWatch> hangs_;
  std::optional<Hang> hang_;  // that was found
  Clock::time_point hang_since_;
  std::map<int, std::string> launch_errors_;
  Clock::time_point started_;
  std::optional<Clock::time_point> dying_since_;

  bool beat_due_ = false;
  Clock::time_point last_beat_;
  Millis lease_told_ = 0;
  std::optional<StopRequest> asked_to_leave_;
  std::string told_;  // the last reason that the user was told
  std::optional<int> exit_code_;
};

}  // namespace tessera::agent
