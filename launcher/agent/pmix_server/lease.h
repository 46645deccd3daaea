// The time until which the agent lets this server work.
#pragma once

#include <cstdint>

#include "core/descriptor.h"

namespace tessera::agent {

// Counts CLOCK_BOOTTIME, which goes on while the machine is suspended. Without a deadline it never
// expires.
class Lease {
 public:
  // Throws Error.
  Lease();

  // Readable once the deadline has passed.
  int descriptor() const { return timer_.get(); }
  // Takes the place of any earlier deadline. One that has passed expires at once. Throws Error.
  void renew(int64_t deadline_ms);

 private:
  Descriptor timer_;
};

}  // namespace tessera::agent
