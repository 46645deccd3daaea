// What a member is told with every answer to its beats: a function of how things stand.
#pragma once

#include <string>

#include "launcher/rendezvous/state.h"
#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

// How things stand for all.
struct Standing {
  State state;
  int64_t generation;
  const v1::Record::Ending& ending;      // read while it ends
  const v1::Record::Finished& finished;  // read when it is over
  std::string waiting;                   // what those hear who have to wait; may be empty
};

// Whom an order is for.
struct Addressee {
  uint64_t sequence = 0;  // of its last beat
  bool leaving = false;
  bool in_plan = false;
  bool has_plan = false;
};

// Whether the order carries the plan: only to those who have not said that they have it.
bool needs_plan(State state, const Addressee& to);

v1::Order order_for(const Standing& standing, const Addressee& to);

// For one that is not a member, or not any more: it has to end its ranks and join anew.
v1::Order fencing_order(const v1::Beat& beat, int64_t generation);

}  // namespace tessera::rendezvous
