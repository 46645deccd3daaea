// What a rank called, as its peers see it.
#pragma once

#include <optional>
#include <string>

#include "distributed/comm/communicator.h"

namespace tessera {

enum class CommOp : int32_t {
  all_reduce,
  reduce_scatter,
  all_gather,
  broadcast,
  all_to_all,
  send,
  recv,
  barrier,
  split,
  gather,
  scatter,
};
std::string_view name(CommOp op);

// Travels as it is, ahead of the data: 56 bytes without padding.
struct Call {
  int64_t sequence = 0;
  CommOp op = CommOp::barrier;
  int32_t dtype = 0;
  int32_t kind = 0;
  int32_t root = -1;
  int64_t elements = 0;
  // Of all sizes that must be the same on every rank: see hash_shapes.
  uint64_t sizes_hash = 0;
  // Between the writer of this and its reader; all_to_all, gather and scatter only.
  int64_t bytes_to_reader = 0;
  int64_t bytes_from_reader = 0;
};
static_assert(sizeof(Call) == 56 && std::is_trivially_copyable_v<Call>);

// "all_reduce(sum, f32, 12 elements)".
std::string describe(const Call& call);

// Equal for equal lists of shapes, and different for different ones but for chance (2^-64).
uint64_t hash_shapes(std::span<const Array> arrays);

// Why `mine`, written by rank, and `theirs`, written by peer, are not two sides of one operation;
// nothing when they are.
std::optional<std::string> mismatch(const Call& mine, int rank, const Call& theirs, int peer);

}  // namespace tessera
