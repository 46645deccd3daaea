// By when the ranks of nodes that are not heard of any more are dead.
#pragma once

#include "launcher/rendezvous/settings.h"

namespace tessera::rendezvous {

// An agent that gets no answer kills its ranks once its lease has lapsed. Until then, and a margin
// more, ranks of a lost node may live, and no others may be started.
//
// Invariant: the time only moves back for ranks that may live longer, or for a clock that jumped.
// is_over is virtual so that the simulator can show what comes of not waiting.
class LeaseHold {
 public:
  // Nothing has to be waited for.
  LeaseHold(const Settings& settings, Millis now)
      : killed_after_(settings.lease + settings.margin), until_(now) {}
  virtual ~LeaseHold() = default;
  LeaseHold(const LeaseHold&) = delete;
  LeaseHold& operator=(const LeaseHold&) = delete;

  // A node that may have ranks was lost, and has had its last answer at that time at the latest.
  void note_lost(Millis last_heard);
  // The server has come back and cannot know when lost nodes were heard for the last time.
  void restart(Millis now) { until_ = now + killed_after_; }
  void skip(Millis pause) { until_ += pause; }

  virtual bool is_over(Millis now) const { return now >= until_; }

 private:
  Millis killed_after_;
  Millis until_;
};

}  // namespace tessera::rendezvous
