// How often ranks were started anew, and when they may be again.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/rendezvous/settings.h"

namespace tessera::rendezvous {

// What fails for want of something that others hold, a full disk, say, would use up all restarts in
// seconds. So from the second restart in a row for one cause without progress there is a pause,
// which doubles up to the longest. Only the count outlives the server.
class Restarts {
 public:
  explicit Restarts(const Settings& settings)
      : first_pause_(settings.pause), longest_pause_(settings.longest_pause) {}

  int count() const { return count_; }
  void restore(int count) { count_ = count; }
  // One more, after that failure of ranks that had come to that step.
  void add(const v1::Failure& failure, int64_t step, Millis now);
  // Whether the next generation has to wait.
  bool is_pausing(Millis now) const { return now < pause_until_; }
  // "restart 2 of 3", and why it waits, if it does.
  std::string text(int most) const;
  void skip(Millis pause) { pause_until_ += pause; }

 private:
  Millis first_pause_;
  Millis longest_pause_;
  int count_ = 0;
  std::string last_cause_;
  int64_t furthest_step_ = 0;  // of all generations that were started anew
  int same_causes_ = 0;        // restarts in a row
  Millis pause_ = 0;
  Millis pause_until_ = 0;
};

}  // namespace tessera::rendezvous
