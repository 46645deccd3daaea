// The agent of one node: keeps its ranks as the rendezvous orders, and tells of
// them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "launcher/agent/agent_protocol.h"
#include "launcher/agent/agent_signals.h"
#include "launcher/agent/node_ranks.h"
#include "launcher/agent/private_folders.h"
#include "launcher/agent/rank_output.h"
#include "launcher/agent/user_messages.h"
#include "launcher/rendezvous/client.h"

namespace tessera::agent {

struct AgentOptions {
  std::vector<std::string> program;
  v1::Node node;
  v1::Job job;
  std::string pmix_program;  // tessera-pmix
  std::string log_folder;    // for the ranks' output; empty: none
  bool bind = true;
  // Ranks that are without a sign of progress for so long hang; 0: none ever
  // does.
  int64_t hang_ms = 10'000;
};

// Carries what each of its parts says to the others: the rendezvous' client,
// the protocol that decides, the ranks, the user and the user's signals.
class Agent : private NodeRanks::Listener {
 public:
  // Begins at once with what takes its time and needs no rendezvous.
  explicit Agent(AgentOptions options);
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Joins the job that meets there. Returns when it is over, or when a second
  // signal ends it at once: the exit code. To be called once.
  int run(const rendezvous::Endpoint& server, const rendezvous::Credentials& credentials);

  // For as long as this agent lives, find_token gives this user's programs the
  // token of the rendezvous at that port of this machine.
  void keep_token(int port, const std::string& token) const;

 private:
  using Clock = std::chrono::steady_clock;

  void wait();
  void take_signals();
  void end_output();

  // What the rendezvous says.
  void take_messages();
  void take(const rendezvous::Joined& joined) { protocol_.joined(joined.reply, secret_); }
  void take(const rendezvous::Connected&) { beat_due_ = true; }
  void take(const v1::Order& order);
  void take(const rendezvous::FenceEnded& fence);
  void take(const rendezvous::TurnedAway& refusal);
  void take(const rendezvous::NotYet& refusal);
  void join();
  void beat_when_due();

  // What the protocol decides.
  void act(const Actions& actions);
  void act(const Prepare& prepare);
  void act(const Start&) { ranks_.start(); }
  void act(const Stop&) { ranks_.stop(); }
  void act(const Kill&) { ranks_.kill(); }
  void act(const Rejoin&) { join(); }
  void act(const Exit& exit);

  // What becomes of the ranks.
  void ranks_ready() override;
  void rank_ended(int code, const std::optional<v1::Failure>& failure) override;
  void ranks_failed(const v1::Failure& failure) override;
  void lease_lapsed() override;
  void fence_entered(const from_pmix::Fence& fence) override;
  void ranks_buried() override;
  NodeRanks::Situation situation() const;

  AgentOptions options_;
  PrivateFolders folders_;
  AgentSignals signals_;
  RankOutput output_;
  UserMessages messages_;
  std::optional<rendezvous::Client> client_;  // while it runs
  AgentProtocol protocol_;
  std::string secret_;  // of the membership that is asked for
  NodeRanks ranks_;
  bool beat_due_ = false;
  Clock::time_point last_beat_;
  std::optional<int> exit_code_;
};

}  // namespace tessera::agent
