#include "launcher/rendezvous/restarts.h"

#include <fmt/format.h>

#include <algorithm>

#include "launcher/rendezvous/failures.h"

namespace tessera::rendezvous {

void Restarts::add(const v1::Failure& failure, int64_t step, Millis now) {
  ++count_;
  std::string cause = shared_cause_of(failure);
  bool same = !cause.empty() && cause == last_cause_ && step <= furthest_step_;
  same_causes_ = same ? same_causes_ + 1 : 1;
  last_cause_ = cause;
  furthest_step_ = std::max(step, furthest_step_);
  if (same_causes_ < 2) return;
  constexpr int kMaxDoublings = 20;
  pause_ = std::min(first_pause_ << std::min(same_causes_ - 2, kMaxDoublings), longest_pause_);
  pause_until_ = now + pause_;
}

std::string Restarts::text(int most) const {
  std::string text = fmt::format("restart {} of {}", count_, most);
  if (same_causes_ < 2) return text;
  return fmt::format("{} waits {:.0f} s: one cause has ended {} generations without progress", text,
                     static_cast<double>(pause_) / 1e3, same_causes_);
}

}  // namespace tessera::rendezvous
