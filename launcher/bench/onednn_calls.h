// Timing calls of oneDNN with OpenMP's threads against ours.
#pragma once

#include <functional>

namespace tessera::bench {

// The median of the seconds that one of `calls` calls takes, one after the other, as in a step of
// training. OpenMP's threads spin for a while when a call is over and would take the cores from
// whoever comes next, so they are left to fall asleep first; then the kernel needs some
// milliseconds to put threads that wake up on cores of their own.
double median_of_calls(const std::function<void()>& fn, int calls);

}  // namespace tessera::bench
