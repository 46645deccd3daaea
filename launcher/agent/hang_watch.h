// Finds ranks that make no progress, by what they say on the board.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "launcher/job/progress_board.h"

namespace tessera::agent {

struct Hang {
  size_t place = 0;  // of the culprit, as far as this node can tell
  std::string text;  // what it does not do, and since when
  int64_t calls = 0;
  bool stopped = false;  // by a signal
};

class HangWatch {
 public:
  static constexpr double kSteps = 5;

  HangWatch(size_t places, int64_t least_ms) : ranks_(places), least_ms_(least_ms) {}

  // To be called every now and then. A rank hangs when, after its first step and on the way
  // to another, it is without a sign for max(least_ms, 5 median steps); and wherever it is, when a
  // signal has stopped it for least_ms. Of several, that which is stopped, or which has begun the
  // fewest calls, is the one that the others wait for.
  std::optional<Hang> look(const job::ProgressBoard& board, const std::vector<pid_t>& processes,
                           int64_t now_ms);

 private:
  struct Rank {
    int64_t last_step = 0;
    std::deque<double> recent_ms;
    std::optional<int64_t> stopped_since_ms;
  };
  std::optional<Hang> judge(size_t place, const job::RankProgress& progress, int64_t now_ms);
  void look_for_stopped(const std::vector<pid_t>& processes, int64_t now_ms);
  int64_t patience_ms(size_t place, const job::RankProgress& progress);

  std::vector<Rank> ranks_;
  int64_t least_ms_;
  int64_t looked_ms_ = 0;  // for those that are stopped
};

}  // namespace tessera::agent
