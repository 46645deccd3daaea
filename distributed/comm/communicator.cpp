#include "distributed/comm/communicator.h"

#include <algorithm>
#include <array>

namespace tessera {

std::string_view name(ReduceKind kind) {
  constexpr std::array<std::string_view, 5> kNames{"sum", "prod", "min", "max", "mean"};
  return kNames[static_cast<size_t>(kind)];
}

CommError::CommError(std::string operation, int64_t sequence, int rank, int peer,
                     const std::string& detail, bool found_by_peer)
    : Error(fmt::format("[{} #{}] rank {}{}: {}", operation, sequence, rank,
                        peer < 0 ? "" : fmt::format(", peer {}", peer), detail)),
      operation_(std::move(operation)),
      sequence_(sequence),
      rank_(rank),
      peer_(peer),
      found_by_peer_(found_by_peer) {}

std::unique_ptr<Communicator> Communicator::subgroup(std::span<const int> members, CallSite site) {
  auto own = std::find(members.begin(), members.end(), rank());
  TESSERA_CHECK(own != members.end(), "[subgroup] rank {} is not among the members it names",
                rank());
  return split(members[0], static_cast<int>(own - members.begin()), site);
}

}  // namespace tessera
