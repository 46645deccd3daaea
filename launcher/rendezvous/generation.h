// The generation at hand: its plan, and what its nodes have told of their ranks.
//
// Invariants: every node of the plan is in exactly one phase, or it went before its ranks had ended
// well; a node's phase never goes back; the first failure that a node tells stays its failure.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "launcher/rendezvous/members.h"

namespace tessera::rendezvous {

// What a node of the plan has told in its beats.
struct NodeReport {
  int place = -1;  // among the nodes of the plan
  v1::Phase phase = v1::PHASE_IDLE;
  bool has_plan = false;
  bool stopped = false;  // after a checkpoint
  std::optional<v1::Failure> failure;
  std::vector<v1::Progress> progress;
};

class Generation {
 public:
  // The next one. Members of the plan that are not there any more count as lost.
  void begin(std::shared_ptr<const v1::Plan> plan, const Members& members);

  // 0 before the first.
  int64_t number() const { return plan_ ? plan_->generation() : 0; }
  // None before the first.
  const std::shared_ptr<const v1::Plan>& plan() const { return plan_; }
  size_t size() const { return plan_ ? static_cast<size_t>(plan_->nodes_size()) : 0; }

  // Takes what a beat tells, if it is of this generation and its sender is in the plan.
  void take_report(MemberId id, const v1::Beat& beat);
  // Nothing of those that are not in the plan.
  const NodeReport* find(MemberId id) const;
  // Whether that node may have ranks that live, while the generation is at work.
  bool may_hold_ranks(MemberId id) const;
  // Why a node that is about to go has not done its part; the first such word counts.
  void note_loss(v1::Failure loss);
  // A member went. Of ranks that have ended well nothing is missing.
  void remove(MemberId id);

  // Members of the plan that are there.
  size_t num_present() const { return reports_.size(); }
  // Whether some went before they were done.
  bool any_lost() const { return num_lost_ > 0; }
  // Whether all are ready, or beyond that without harm.
  bool all_ready() const;
  // Whether all ranks have ended well.
  bool all_done() const { return num_in(v1::PHASE_DONE) == size(); }
  // Whether no rank lives, but of nodes that were lost.
  bool all_ended() const;
  // Whether some ranks ended otherwise, for which others may wait.
  bool any_bad_end() const;
  // Whether ranks of any node have stopped after a checkpoint.
  bool any_stopped() const;
  // The failure that caused the others; none if there is none. Valid until something is told.
  const v1::Failure* first_failure() const;
  // The largest step of which ranks have told.
  int64_t furthest_step() const;

 private:
  size_t num_in(v1::Phase phase) const { return num_in_[static_cast<size_t>(phase)]; }

  std::shared_ptr<const v1::Plan> plan_;
  std::map<MemberId, NodeReport> reports_;  // of those that are there
  // Nodes of the plan, by phase; those that went after they were done are in it.
  std::array<size_t, v1::Phase_ARRAYSIZE> num_in_{};
  size_t num_lost_ = 0;              // that went before they were done
  bool gone_stopped_ = false;        // one that went had stopped with a checkpoint
  std::optional<v1::Failure> loss_;  // the first of those that were lost
};

}  // namespace tessera::rendezvous
