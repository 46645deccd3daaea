// The coordinator of a job's nodes, as a state machine: which nodes there are, and which generation
// of ranks may live.
//
// It does no I/O and reads no clock: gRPC drives it in production, a simulator in tests. What it
// promises, whatever is lost, late, repeated or restarted:
//   - the ranks of two generations never live at the same time: a new one is formed only when every
//     node of the one before has said that its ranks are dead, or has been silent for its lease
//     (by which it has killed them) and a margin;
//   - every member that is heard of gets into a generation, waits for a place in one, or is told
//     that the job is over.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "launcher/rendezvous/generation_cycle.h"
#include "launcher/rendezvous/job_facts.h"
#include "launcher/rendezvous/key_values.h"
#include "launcher/rendezvous/members.h"
#include "launcher/rendezvous/orders.h"
#include "launcher/rendezvous/settings.h"
#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

// Takes calls and beats, keeps the members and the job's facts, and tells members of every move of
// the cycle of generations.
class Coordinator {
 public:
  // began: what Record::Began keeps. Where there is a journal, restore() follows.
  Coordinator(const Settings& settings, v1::Record::Began began, Millis now);
  // With another way to wait for lost nodes.
  Coordinator(const Settings& settings, v1::Record::Began began, Millis now,
              std::unique_ptr<LeaseHold> hold);

  // Goes on where a server left that wrote these records. To be called before any step.
  void restore(std::span<const v1::Record> records, Millis now);

  // Records from which restore() comes to the same state.
  std::vector<v1::Record> snapshot() const;

  // To be called for every input in the order in which they came, and with a Tick at least every
  // 250 ms: a longer pause is taken for one of this process, during which it was deaf.
  Outputs step(Millis now, const Input& input);

  State state() const { return cycle_.state(); }
  int64_t generation() const { return cycle_.generation().number(); }
  const std::string& job_id() const { return facts_.began().job_id(); }
  size_t num_members() const { return members_.size(); }
  // 0 before the first member has said it.
  int max_nodes() const { return facts_.terms().max_nodes(); }
  // What the finished job ends with.
  int exit_code() const { return facts_.finished().exit_code(); }
  const v1::Record::Finished& finish() const { return facts_.finished(); }
  v1::StatusReply status(Millis now) const;

 private:
  void handle(const Tick& input, Outputs& out);
  void handle(const BeatCall& call, Outputs& out);
  void handle(const JoinCall& call, Outputs& out);
  void handle(const LeaveCall& call, Outputs& out);
  void handle(const FenceCall& call, Outputs& out);
  void handle(const PutCall& call, Outputs& out) { values_.put(call, out); }
  void handle(const GetCall& call, Outputs& out) { values_.get(now_, call, out); }
  void handle(const DrainCall& call, Outputs& out);
  void handle(const Abandoned& input, Outputs& out);

  void skip(Millis pause);
  std::optional<Refusal> trouble_with(const v1::JoinRequest& request) const;
  MemberId add(const v1::JoinRequest& request, Outputs& out);
  void remove(MemberId id, Outputs& out);
  void take_leave(MemberId id, Outputs& out);
  void drain(const std::string& reason, Outputs& out);
  // Moves on as far as what is known allows. Whether all members were told.
  bool advance(Outputs& out);
  Standing standing() const;
  void send_order(const Standing& standing, MemberId id, const Member& member, Outputs& out) const;
  void say(std::string text, Outputs& out) const;
  void restore(const v1::Record& record);

  Settings settings_;
  JobFacts facts_;
  Members members_;
  GenerationCycle cycle_;
  KeyValues values_;
  Millis now_;
};

}  // namespace tessera::rendezvous
