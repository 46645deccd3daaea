// Memory of the host that devices read and write while the host goes on.
#pragma once

#include <cstddef>
#include <memory>

namespace tessera::cuda {

// At least `bytes` bytes, all zeros when new and of unspecified content else; kept for the next
// caller when nobody holds it. Whoever lets go of it answers for no device using it any more.
std::shared_ptr<void> pinned(size_t bytes);

}  // namespace tessera::cuda
