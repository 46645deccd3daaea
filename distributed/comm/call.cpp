#include "distributed/comm/call.h"

#include <array>

namespace tessera {

std::string_view name(CommOp op) {
  constexpr std::array<std::string_view, 11> kNames{
      "all_reduce", "reduce_scatter", "all_gather", "broadcast", "all_to_all", "send",
      "recv",       "barrier",        "split",      "gather",    "scatter"};
  auto index = static_cast<size_t>(op);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string describe(const Call& call) {
  if (call.op == CommOp::barrier || call.op == CommOp::split) {
    return fmt::format("{}()", name(call.op));
  }
  bool reduces = call.op == CommOp::all_reduce || call.op == CommOp::reduce_scatter;
  std::string text =
      fmt::format("{}({}{}{}, {} elements", name(call.op),
                  reduces ? name(static_cast<ReduceKind>(call.kind)) : "", reduces ? ", " : "",
                  static_cast<DType>(call.dtype), call.elements);
  if (call.root >= 0) text += fmt::format(", root {}", call.root);
  bool pairwise =
      call.op == CommOp::all_to_all || call.op == CommOp::gather || call.op == CommOp::scatter;
  if (pairwise) {
    text += fmt::format(", {} bytes to and {} bytes from this peer", call.bytes_to_reader,
                        call.bytes_from_reader);
  }
  return text + ")";
}

uint64_t hash_shapes(std::span<const Array> arrays) {
  // FNV-1a over whole words, with the multiplier and a shift of splitmix64 to spread high bits.
  uint64_t hash = 0xcbf29ce484222325;
  auto add = [&hash](uint64_t value) {
    hash = (hash ^ value) * 0xbf58476d1ce4e5b9;
    hash ^= hash >> 31;
  };
  for (const Array& array : arrays) {
    add(array.dim());
    for (int64_t size : array.shape()) add(static_cast<uint64_t>(size));
  }
  return hash;
}

std::optional<std::string> mismatch(const Call& mine, int rank, const Call& theirs, int peer) {
  auto both = [&](const char* reason) {
    return fmt::format("{}: rank {} called {} (#{}), rank {} called {} (#{})", reason, rank,
                       describe(mine), mine.sequence, peer, describe(theirs), theirs.sequence);
  };
  if (mine.op == CommOp::send || mine.op == CommOp::recv) {
    if (mine.dtype == theirs.dtype && mine.elements == theirs.elements) return std::nullopt;
    return both("the two sides differ");
  }
  bool same_call = mine.sequence == theirs.sequence && mine.op == theirs.op &&
                   mine.dtype == theirs.dtype && mine.kind == theirs.kind &&
                   mine.root == theirs.root;
  if (!same_call) return both("ranks called different operations");
  if (mine.sizes_hash != theirs.sizes_hash || mine.bytes_to_reader != theirs.bytes_from_reader ||
      mine.bytes_from_reader != theirs.bytes_to_reader) {
    return both("ranks differ in sizes or shapes");
  }
  return std::nullopt;
}

}  // namespace tessera
