#include "launcher/rendezvous/generation.h"

#include <algorithm>
#include <utility>

#include "launcher/rendezvous/failures.h"

namespace tessera::rendezvous {
namespace {

// More than a node can have ranks: whoever tells of more makes it up.
constexpr int kMaxProgress = 4096;

}  // namespace

void Generation::begin(std::shared_ptr<const v1::Plan> plan, const Members& members) {
  plan_ = std::move(plan);
  reports_.clear();
  num_in_.fill(0);
  num_lost_ = 0;
  gone_stopped_ = false;
  loss_.reset();
  for (int place = 0; place < plan_->members_size(); ++place) {
    MemberId id = plan_->members(place);
    if (!members.all().contains(id)) {
      ++num_lost_;
      continue;
    }
    reports_[id].place = place;
    ++num_in_[v1::PHASE_IDLE];
  }
}

void Generation::take_report(MemberId id, const v1::Beat& beat) {
  auto found = reports_.find(id);
  if (found == reports_.end() || beat.generation() != number()) return;
  NodeReport& report = found->second;
  report.has_plan = true;
  if (beat.phase() < report.phase || !v1::Phase_IsValid(beat.phase())) return;
  if (beat.has_failure() && !report.failure) report.failure = beat.failure();
  report.stopped = beat.stopped();
  if (beat.progress_size() <= kMaxProgress) {
    report.progress.assign(beat.progress().begin(), beat.progress().end());
  }
  --num_in_[static_cast<size_t>(report.phase)];
  ++num_in_[static_cast<size_t>(beat.phase())];
  report.phase = beat.phase();
}

const NodeReport* Generation::find(MemberId id) const {
  auto found = reports_.find(id);
  return found == reports_.end() ? nullptr : &found->second;
}

bool Generation::may_hold_ranks(MemberId id) const {
  const NodeReport* report = find(id);
  return report && report->phase != v1::PHASE_DONE && report->phase != v1::PHASE_ENDED;
}

void Generation::note_loss(v1::Failure loss) {
  if (!loss_) loss_ = std::move(loss);
}

void Generation::remove(MemberId id) {
  auto found = reports_.find(id);
  if (found == reports_.end()) return;
  const NodeReport& report = found->second;
  gone_stopped_ = gone_stopped_ || report.stopped;
  if (report.phase != v1::PHASE_DONE) {
    --num_in_[static_cast<size_t>(report.phase)];
    ++num_lost_;
  }
  reports_.erase(found);
}

bool Generation::all_ready() const {
  return num_in(v1::PHASE_READY) + num_in(v1::PHASE_RUNNING) + num_in(v1::PHASE_DONE) == size();
}

bool Generation::all_ended() const {
  return num_in(v1::PHASE_DONE) + num_in(v1::PHASE_ENDED) + num_lost_ == size();
}

bool Generation::any_bad_end() const {
  return num_in(v1::PHASE_FAILED) + num_in(v1::PHASE_ENDED) + num_lost_ > 0;
}

bool Generation::any_stopped() const {
  return gone_stopped_ || std::any_of(reports_.begin(), reports_.end(),
                                      [](const auto& each) { return each.second.stopped; });
}

const v1::Failure* Generation::first_failure() const {
  const v1::Failure* first = loss_ ? &*loss_ : nullptr;
  // Most of the time there is nothing to look for among thousands of nodes.
  if (num_in(v1::PHASE_FAILED) + num_in(v1::PHASE_ENDED) == 0) return first;
  for (const auto& [id, report] : reports_) {
    if (!report.failure) continue;
    if (!first || precedence(*report.failure) < precedence(*first)) first = &*report.failure;
  }
  return first;
}

int64_t Generation::furthest_step() const {
  int64_t furthest = 0;
  for (const auto& [id, report] : reports_) {
    for (const v1::Progress& progress : report.progress) {
      furthest = std::max(furthest, progress.step());
    }
  }
  return furthest;
}

}  // namespace tessera::rendezvous
