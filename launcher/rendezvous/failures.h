// What failures of ranks and nodes mean for their job.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

// One line that says what a failure was.
std::string text_of(const v1::Failure& failure);

// What a job ends with that such a failure ends.
int exit_code_of(const v1::Failure& failure);

// Of several failures the smallest is the cause of the others: a node that was lost before all, and
// after all that a node gave up its ranks because it heard nothing.
std::tuple<int, int64_t, int> precedence(const v1::Failure& failure);

// What restarts may have in common; empty for what comes from outside, which a pause does not mend:
// a rank that was killed or stopped, a node that went.
std::string shared_cause_of(const v1::Failure& failure);

// Of nodes that went while they had ranks: without a word, and with one.
v1::Failure loss_of(const std::string& host, Millis silent);
v1::Failure departure_of(const std::string& host);
// Of nodes that were not ready in time.
v1::Failure late_start(Millis limit);

}  // namespace tessera::rendezvous
