#include "launcher/rendezvous/lease_hold.h"

#include <algorithm>

namespace tessera::rendezvous {

void LeaseHold::note_lost(Millis last_heard) {
  until_ = std::max(until_, last_heard + killed_after_);
}

}  // namespace tessera::rendezvous
