// The tags of what a communicator sends besides its users' messages, whose tags are up to
// Communicator::kMaxTag. Messages of a pair of ranks and a tag keep their order.
#pragma once

#include "distributed/comm/communicator.h"

namespace tessera {

// Of a collective's data.
inline constexpr int kDataTag = Communicator::kMaxTag + 1;
// What a rank called. Those of the next collectives may be told before this one's data are sent.
inline constexpr int kCallTag = Communicator::kMaxTag + 2;
// What concerns two ranks only of what they called, where kCallTag has what concerns all.
inline constexpr int kPairTag = Communicator::kMaxTag + 3;

}  // namespace tessera
