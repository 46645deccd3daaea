// All processes that come from this one, whatever session or group they have moved to.
#pragma once

#include <chrono>

namespace tessera::agent {

// Makes this process the parent of those of its descendants that lose theirs, and checks that the
// system lists children. Throws Error.
void adopt_descendants();

// Kills children until there are none: those of a child that was killed come next. False if some
// still live after the time, as a process does that waits for a device.
bool end_descendants(std::chrono::milliseconds limit);

}  // namespace tessera::agent
