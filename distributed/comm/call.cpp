#include "distributed/comm/call.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace tessera {

std::string_view name(CommOp op) {
  constexpr std::array<std::string_view, 11> kNames{
      "all_reduce", "reduce_scatter", "all_gather", "broadcast", "all_to_all", "send",
      "recv",       "barrier",        "split",      "gather",    "scatter"};
  auto index = static_cast<size_t>(op);
  return index < kNames.size() ? kNames[index] : "unknown";
}

namespace {

// The last `size` characters.
std::string_view tail(std::string_view text, size_t size) {
  return text.substr(text.size() - std::min(size, text.size()));
}

// The file with the folder that it is in.
std::string_view short_path(const char* file) {
  std::string_view path(file);
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return path;
  slash = path.rfind('/', slash - 1);
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

void set_place(Call& call, CallSite site, std::string_view where_in_model) {
  if (!site.file) return;
  char* out = call.place.data();
  char* end = out + call.place.size() - 1;
  auto put = [&](std::string_view text) {
    size_t count = std::min(text.size(), static_cast<size_t>(end - out));
    out = std::copy_n(text.data(), count, out);
  };
  put(tail(short_path(site.file), 36));
  put(":");
  out = std::to_chars(out, end, site.line).ptr;
  if (where_in_model.empty()) return;
  put(" in ");
  put(tail(where_in_model, static_cast<size_t>(end - out)));
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
  if (pairwise && call.bytes_to_reader != Call::kOfNoPair) {
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

namespace {

std::string describe_with_place(const Call& call) {
  std::string_view place(call.place.data());
  return fmt::format("{} (#{}){}{}", describe(call), call.sequence, place.empty() ? "" : " at ",
                     place);
}

}  // namespace

std::optional<std::string> mismatch(const Call& mine, int rank, const Call& theirs, int peer) {
  auto both = [&](const char* reason) {
    return fmt::format("{}: rank {} called {}, rank {} called {}", reason, rank,
                       describe_with_place(mine), peer, describe_with_place(theirs));
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
