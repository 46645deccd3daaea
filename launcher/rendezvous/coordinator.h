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

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "launcher/rendezvous/fence_table.h"
#include "launcher/rendezvous/key_values.h"
#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

struct Settings {
  // An agent without an answer for this long kills its ranks (DESIGN.md, section 4).
  Millis lease = 4000;
  // What killing takes, and clocks that run at different rates.
  Millis margin = 500;
  Millis beat = 500;
  // A member that was silent for so long is lost.
  Millis silence = 2500;
  // Between min_nodes and max_nodes, how long to wait for one more node after the last that came.
  Millis settle = 1000;
  // How long to wait for min_nodes.
  Millis gather = 600'000;
  // How long nodes may take to prepare for their ranks.
  Millis prepare = 60'000;
  // The pause before the second restart in a row for one cause of the ranks' own without progress
  // in between; it doubles with every further one, up to the longest. The first is at once.
  Millis pause = 1000;
  Millis longest_pause = 30'000;
  // How long ranks may take to stop after a checkpoint.
  Millis grace = 60'000;
  // And how long when some have ended otherwise, for which the others may wait in vain.
  Millis bereaved = 5000;
};

class Coordinator {
 public:
  enum class State { gathering, preparing, running, ending, finished };
  static constexpr size_t kMaxMembers = 100'000;

  // began: what Record::Began keeps. Where there is a journal, restore() follows.
  Coordinator(const Settings& settings, v1::Record::Began began, Millis now);

  // Goes on where a server left that wrote these records. To be called before any step.
  void restore(std::span<const v1::Record> records, Millis now);

  // Records from which restore() comes to the same state.
  std::vector<v1::Record> snapshot() const;

  // To be called for every input in the order in which they came, and with a Tick at least every
  // 250 ms: a longer pause is taken for one of this process, during which it was deaf.
  Outputs step(Millis now, const Input& input);

  State state() const { return state_; }
  int64_t generation() const { return generation_; }
  const std::string& job_id() const { return began_.job_id(); }
  size_t num_members() const { return members_.size(); }
  // 0 before the first member has said it.
  int max_nodes() const { return job_ ? job_->max_nodes() : 0; }
  // What the finished job ends with.
  int exit_code() const { return finish_.exit_code(); }
  const v1::Record::Finished& finish() const { return finish_; }
  v1::StatusReply status(Millis now) const;

 private:
  struct Member {
    v1::Node node;
    std::string secret;
    Millis last_seen = 0;
    uint64_t sequence = 0;
    CallId stream = 0;
    int place = -1;  // among the nodes of the plan
    bool leaving = false;
    // As of the current generation: what its last beat said, and what that said of failure.
    v1::Phase phase = v1::PHASE_IDLE;
    bool has_plan = false;
    bool stopped = false;
    std::optional<v1::Failure> failure;
    std::vector<v1::Progress> progress;
  };
  using Members = std::map<MemberId, Member>;

  void skip(Millis pause);
  void handle(const Tick& input);
  void handle(const BeatCall& call);
  void handle(const JoinCall& call);
  void handle(const LeaveCall& call);
  void handle(const FenceCall& call);
  void handle(const PutCall& call) { values_.put(call, *out_); }
  void handle(const GetCall& call) { values_.get(now_, call, *out_); }
  void handle(const DrainCall& call);
  void drain(const std::string& reason);
  void handle(const Abandoned& input);

  std::optional<Refusal> trouble_with(const v1::JoinRequest& request) const;
  void add_member(MemberId id, const v1::Node& node, const std::string& secret);
  void remove_member(Members::iterator member);
  void lose_member(Members::iterator member);
  void count_gone(const Member& member);
  Members::iterator find(MemberId id, const std::string& secret);
  void take_leave(Member& member);
  void take_report(Member& member, const v1::Beat& beat);
  void set_phase(Member& member, v1::Phase phase);
  size_t num_in(v1::Phase phase) const { return num_in_[static_cast<size_t>(phase)]; }
  size_t plan_size() const { return plan_ ? static_cast<size_t>(plan_->nodes_size()) : 0; }
  bool holds_ranks(const Member& member) const;

  // Moves on as far as what is known allows.
  void advance();
  bool advance_once();
  bool form_when_enough();
  bool all_ready() const;
  bool start_when_ready();
  bool end_when_needed();
  std::optional<v1::Record::Ending> reason_to_end() const;
  std::string reason_to_regroup() const;
  bool conclude_when_ended();
  bool end_is_late() const;

  void enter(State state);
  void form();
  std::vector<MemberId> next_members() const;
  size_t num_staying() const { return members_.size() - num_leaving_; }
  void begin_ending(v1::Record::Ending ending);
  void persist_ending();
  void conclude();
  void finish(int exit_code, const v1::Failure* failure, const std::string& reason);
  void conclude_failure();
  void pause_after(const v1::Failure& failure);
  int64_t furthest_step() const;
  std::string text_of_restart() const;
  const v1::Failure* first_failure() const;

  v1::Order order_for(const Member& member) const;
  bool needs_plan(const Member& member) const;
  void send_order(const Member& member);
  void send_orders();

  void persist(v1::Record record) { out_->emplace_back(Persist{std::move(record)}); }
  void say(std::string text) { out_->emplace_back(Happened{generation_, std::move(text)}); }
  void refuse(CallId call, Refused why, std::string text);
  void restore(const v1::Record& record);
  void set_plan(std::shared_ptr<const v1::Plan> plan);

  Settings settings_;
  v1::Record::Began began_;
  std::optional<v1::Job> job_;
  State state_ = State::gathering;
  Millis state_since_ = 0;
  int64_t generation_ = 0;
  int restarts_ = 0;
  std::shared_ptr<const v1::Plan> plan_;
  v1::Record::Ending ending_;
  std::optional<Millis> bereaved_since_;  // while the generation ends
  v1::Record::Finished finish_;
  std::optional<std::string> draining_;

  Members members_;
  std::map<std::string, MemberId> by_secret_;
  MemberId next_member_ = 1;
  Millis last_join_ = 0;
  // Members of the plan, by phase; those that left or were lost after they were done are in it.
  std::array<size_t, v1::Phase_ARRAYSIZE> num_in_{};
  size_t num_present_ = 0;           // members of the plan that are there
  size_t num_lost_ = 0;              // that went before they were done
  bool gone_stopped_ = false;        // one that went had stopped with a checkpoint
  size_t num_leaving_ = 0;           // members that asked to go
  std::optional<v1::Failure> loss_;  // the first of those that were lost
  // Ranks of lost nodes may live until then.
  Millis hold_until_ = 0;
  // A restart waits for so long, until then.
  Millis pause_ = 0;
  Millis pause_until_ = 0;
  std::string last_cause_;       // of a restart
  int64_t step_at_restart_ = 0;  // how far ranks were then
  int same_causes_ = 0;          // restarts in a row

  FenceTable fences_;
  KeyValues values_;

  Millis now_ = 0;
  Outputs* out_ = nullptr;    // of the step at work
  bool orders_sent_ = false;  // to all, in that step
};

// The reason of an order to end when there is no other: all ranks have ended by themselves.
inline constexpr const char* kAllEnded = "all ranks have ended";

const char* name_of(Coordinator::State state);
// One line that says what a failure was.
std::string text_of(const v1::Failure& failure);

}  // namespace tessera::rendezvous
