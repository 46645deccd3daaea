// A node's side of the rendezvous as a state machine: what it does about orders, about its ranks'
// ends, and about silence. It does no I/O and reads no clock.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/rendezvous.pb.h"

namespace tessera::agent {

// Of a clock that goes on while the node sleeps (CLOCK_BOOTTIME).
using Millis = int64_t;
namespace v1 = rendezvous::v1;

// What the agent has to do now.
struct Prepare {  // the ranks of a generation; then ready()
  v1::Plan plan;
  int place = 0;  // of this node in it
};
struct Start {};   // those ranks
struct Stop {};    // asks them to stop after a checkpoint
struct Kill {};    // ends them and everything that they left; then dead()
struct Rejoin {};  // as a new member, with a new secret
struct Exit {
  v1::Order order;  // KIND_FINISH
};
using Action = std::variant<Prepare, Start, Stop, Kill, Rejoin, Exit>;
using Actions = std::vector<Action>;

class AgentProtocol {
 public:
  // slots: the ranks of this node.
  explicit AgentProtocol(int slots) : slots_(slots) {}

  // After the first joining and after every Rejoin.
  void joined(v1::JoinReply reply, std::string secret);

  Actions order(Millis now, const v1::Order& order);
  // What Prepare asked for is done.
  void ready();
  // A rank has ended, well if there is no failure. code: its exit code, where it had one.
  Actions rank_ended(int code, const std::optional<v1::Failure>& failure);
  // The lease has lapsed, as whoever keeps the ranks says; it may know a shorter one than this
  // protocol does.
  Actions lapsed();
  // Something else is wrong with the ranks.
  Actions failed(const v1::Failure& failure);
  // What Kill asked for is done: no rank lives.
  Actions dead();
  // The node shall go. The ranks get the time to save a checkpoint first.
  void leave() { leaving_ = true; }
  // To be called at least every 100 ms: ends the ranks when the lease has lapsed.
  Actions tick(Millis now);

  // The beat to send now; it remembers when that was.
  v1::Beat beat(Millis now);

  // When the ranks must be dead unless something is heard from the server.
  Millis lease_until() const { return lease_until_; }
  v1::Phase phase() const { return phase_; }
  int64_t generation() const { return generation_; }
  bool stopping() const { return stopping_; }
  bool ranks_live() const { return ranks_ == Ranks::running || ranks_ == Ranks::dying; }
  const v1::JoinReply& membership() const { return membership_; }
  const std::string& secret() const { return secret_; }

 private:
  enum class Ranks { none, prepared, running, dying };

  void acknowledge(uint64_t sequence);
  void prepare(const v1::Plan& plan, Actions& out);
  void end(const v1::Order& order, Actions& out);
  void kill(Actions& out);
  void settle(Actions& out);

  int slots_;
  v1::JoinReply membership_;
  std::string secret_;

  int64_t generation_ = 0;
  v1::Phase phase_ = v1::PHASE_IDLE;
  Ranks ranks_ = Ranks::none;
  int num_ended_ = 0;
  bool all_well_ = false;  // all ranks have ended, none with a failure
  bool stopped_ = false;
  bool stopping_ = false;
  bool leaving_ = false;
  bool fenced_ = false;
  std::optional<v1::Failure> failure_;
  std::optional<v1::Order> finish_;

  struct Sent {
    uint64_t sequence;
    Millis at;
  };
  std::deque<Sent> unacknowledged_;
  uint64_t sequence_ = 0;
  Millis lease_until_ = 0;
};

}  // namespace tessera::agent
