#include "launcher/rendezvous/calls.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tessera::rendezvous {

grpc::Status status_of(const Refusal& refusal) {
  switch (refusal.why) {
    case Refused::bad_argument: return {grpc::StatusCode::INVALID_ARGUMENT, refusal.text};
    case Refused::not_a_member: return {grpc::StatusCode::PERMISSION_DENIED, refusal.text};
    case Refused::not_found: return {grpc::StatusCode::NOT_FOUND, refusal.text};
    case Refused::conflict: return {grpc::StatusCode::FAILED_PRECONDITION, refusal.text};
    case Refused::taken: return {grpc::StatusCode::ALREADY_EXISTS, refusal.text};
    case Refused::exhausted: return {grpc::StatusCode::RESOURCE_EXHAUSTED, refusal.text};
    case Refused::aborted: return {grpc::StatusCode::ABORTED, refusal.text};
    case Refused::timed_out: return {grpc::StatusCode::DEADLINE_EXCEEDED, refusal.text};
  }
  return {grpc::StatusCode::INTERNAL, refusal.text};
}

bool RateLimit::take(double now_s) {
  if (last_s_ > 0) tokens_ = std::min(burst_, tokens_ + rate_ * (now_s - last_s_));
  last_s_ = now_s;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void HeldCall::answer(const Answer& answer) {
  if (finished_.exchange(true)) return;
  if (const auto* refusal = std::get_if<Refusal>(&answer.reply)) {
    Finish(status_of(*refusal));
    return;
  }
  fill_(answer);
  Finish(grpc::Status::OK);
}

void HeldCall::end(const grpc::Status& status) {
  if (!finished_.exchange(true)) Finish(status);
}

bool Turns::begin_write(const std::function<bool()>& take) {
  std::lock_guard lock(mutex_);
  if (writing_ || ended_ || !take()) return false;
  writing_ = true;
  return true;
}

std::optional<grpc::Status> Turns::end_write() {
  std::lock_guard lock(mutex_);
  writing_ = false;
  return std::exchange(status_, std::nullopt);
}

bool Turns::begin_end(const grpc::Status& status) {
  std::lock_guard lock(mutex_);
  if (std::exchange(ended_, true)) return false;
  if (writing_) status_ = status;
  return !writing_;
}

const grpc::Slice& PlanBytes::of(const std::shared_ptr<const v1::Plan>& plan) {
  if (plan == plan_) return bytes_;
  plan_ = plan;
  v1::Order only_plan;
  *only_plan.mutable_plan() = *plan;
  bytes_ = grpc::Slice(only_plan.SerializeAsString());
  return bytes_;
}

void BeatStream::OnReadDone(bool ok) {
  if (!ok) return end(grpc::Status::OK);
  grpc::Status status = on_beat_(received_);
  if (!status.ok()) return end(status);
  StartRead(&received_);
}

void BeatStream::send(const v1::Order& order, const grpc::Slice& plan_bytes) {
  std::array<grpc::Slice, 2> parts = {grpc::Slice(order.SerializeAsString()), plan_bytes};
  {
    std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const auto& other) { return other.kind == order.kind(); });
    waiting_.push_back({order.kind(), grpc::ByteBuffer(parts.data(), parts.size())});
  }
  write_next();
}

void BeatStream::write_next() {
  auto take = [this] {
    std::lock_guard lock(mutex_);
    if (waiting_.empty()) return false;
    writing_.Swap(&waiting_.front().bytes);
    waiting_.pop_front();
    return true;
  };
  if (turns_.begin_write(take)) StartWrite(&writing_);
}

void BeatStream::OnWriteDone(bool ok) {
  auto status = turns_.end_write();
  if (status) {
    Finish(*status);
  } else if (ok) {
    write_next();
  }
}

void BeatStream::end(const grpc::Status& status) {
  if (turns_.begin_end(status)) Finish(status);
}

EventStream::EventStream(EventLog& log, uint64_t from, bool follow, std::function<void()> on_end)
    : Kept(std::move(on_end)), log_(log), next_(std::max<uint64_t>(from, 1)), follow_(follow) {}

void EventStream::wake() {
  // Known only where it was this thread's turn to look.
  bool at_end = false;
  auto take = [&] {
    at_end = !log_.next(next_, event_);
    if (!at_end) next_ = event_.number() + 1;
    return !at_end;
  };
  if (turns_.begin_write(take)) {
    StartWrite(&event_);
  } else if (at_end && !follow_) {
    end(grpc::Status::OK);
  }
}

void EventStream::OnWriteDone(bool ok) {
  auto status = turns_.end_write();
  if (status) {
    Finish(*status);
  } else if (ok) {
    wake();
  }
}

void EventStream::end(const grpc::Status& status) {
  if (turns_.begin_end(status)) Finish(status);
}

void EventLog::add(v1::Event event) {
  std::lock_guard lock(mutex_);
  event.set_number(++last_);
  events_.push_back(std::move(event));
  if (events_.size() > kMaxEvents) events_.pop_front();
}

bool EventLog::next(uint64_t from, v1::Event& event) const {
  std::lock_guard lock(mutex_);
  auto found = std::lower_bound(
      events_.begin(), events_.end(), from,
      [](const v1::Event& each, uint64_t number) { return each.number() < number; });
  if (found == events_.end()) return false;
  event = *found;
  return true;
}

}  // namespace tessera::rendezvous
