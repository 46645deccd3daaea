// How generations follow one another: formed, prepared, started, ended, and formed anew.
//
// Invariant: a generation is formed only when no rank of the one before can live: every node of it
// has said that its ranks are dead, or is gone for longer than its lease.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/rendezvous/ending.h"
#include "launcher/rendezvous/fence_table.h"
#include "launcher/rendezvous/generation.h"
#include "launcher/rendezvous/job_facts.h"
#include "launcher/rendezvous/lease_hold.h"
#include "launcher/rendezvous/members.h"
#include "launcher/rendezvous/restarts.h"
#include "launcher/rendezvous/state.h"

namespace tessera::rendezvous {

class GenerationCycle {
 public:
  // What a move needs to know, may settle, and where it leaves what comes of it.
  struct Surroundings {
    Millis now;
    const Members& members;
    JobFacts& facts;
    Outputs& out;
  };

  GenerationCycle(const Settings& settings, Millis now, std::unique_ptr<LeaseHold> hold);

  // One move, as far as what is known allows. Whether there was one: then every member has to hear
  // of it before the next.
  bool advance(const Surroundings& around);

  State state() const { return state_; }
  const Generation& generation() const { return generation_; }
  const v1::Record::Ending& ending() const { return ending_.what(); }
  const Restarts& restarts() const { return restarts_; }

  void take_report(MemberId id, const v1::Beat& beat) { generation_.take_report(id, beat); }
  // A member that went: it was not heard of any more; it said so.
  void lose(MemberId id, const Member& member, Millis now);
  void let_go(MemberId id, const Member& member);
  void fence(MemberId id, const FenceCall& call, Outputs& out);
  void abandon(CallId call) { fences_.abandon(call); }
  // This process was deaf for so long; what has to be waited for takes as long as before.
  void skip(Millis pause);

  // Takes what a record says of generations, if it does. members: those of the records before.
  void restore(const v1::Record& record, const Members& members);
  // After the last record.
  void resume(Millis now);

 private:
  bool holds_ranks(MemberId id) const;
  void enter(State state, Millis now);
  void say(std::string text, Outputs& out) const;

  bool form_when_enough(const Surroundings& around);
  void form(const Surroundings& around);
  std::shared_ptr<const v1::Plan> next_plan(const Surroundings& around) const;
  bool start_when_ready(const Surroundings& around);

  bool end_when_needed(const Surroundings& around);
  std::optional<v1::Record::Ending> reason_to_end(const Surroundings& around) const;
  std::string reason_to_regroup(const Surroundings& around) const;
  void persist_ending(Outputs& out);
  bool conclude_when_ended(const Surroundings& around);

  void conclude(const Surroundings& around);
  // What the job ends with; nothing: there is another generation.
  struct Verdict {
    int exit_code;
    std::string reason;
    std::optional<v1::Failure> failure;
  };
  std::optional<Verdict> verdict(const Surroundings& around) const;
  std::optional<Verdict> verdict_on_failure(const v1::Failure& failure, const v1::Job& terms) const;
  v1::Failure cause() const;
  void finish(const Verdict& verdict, const Surroundings& around);

  Settings settings_;
  State state_ = State::gathering;
  Millis state_since_;
  Generation generation_;
  Ending ending_;
  Restarts restarts_;
  std::unique_ptr<LeaseHold> hold_;
  FenceTable fences_;
};

}  // namespace tessera::rendezvous
