// What a rank called, as its peers see it.
#pragma once

#include <array>
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

// Travels as it is, ahead of the data: 128 bytes without padding.
struct Call {
  int64_t sequence = 0;
  CommOp op = CommOp::barrier;
  int32_t dtype = 0;
  int32_t kind = 0;
  int32_t root = -1;
  int64_t elements = 0;
  // Of all sizes that must be the same on every rank: see hash_shapes.
  uint64_t sizes_hash = 0;
  // Between the writer of this and its reader; all_to_all, gather and scatter only. kOfNoPair where
  // this is for readers who have no part in it.
  static constexpr int64_t kOfNoPair = -1;
  int64_t bytes_to_reader = 0;
  int64_t bytes_from_reader = 0;
  // Where it was made, for messages: see set_place. Ends with a zero.
  std::array<char, 72> place{};
};
static_assert(sizeof(Call) == 128 && std::is_trivially_copyable_v<Call>);

// "nn/layer.cpp:12 in blocks.0", cut to fit: the end of the file's path, and of the place in the
// model. Empty for a site without a file.
void set_place(Call& call, CallSite site, std::string_view where_in_model);

// "all_reduce(sum, f32, 12 elements)".
std::string describe(const Call& call);

// Equal for equal lists of shapes, and different for different ones but for chance (2^-64).
uint64_t hash_shapes(std::span<const Array> arrays);

// Why `mine`, written by rank, and `theirs`, written by peer, are not two sides of one operation;
// nothing when they are.
std::optional<std::string> mismatch(const Call& mine, int rank, const Call& theirs, int peer);

}  // namespace tessera
