// How long the coordinator waits for what.
#pragma once

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

}  // namespace tessera::rendezvous
