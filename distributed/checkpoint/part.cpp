#include "distributed/checkpoint/part.h"

#include <algorithm>
#include <cstring>

#include "core/io/elements.h"
#include "core/parallel.h"

namespace tessera {
namespace {

// What is hashed and then written while it is in the cache of a core.
constexpr size_t kTileBytes = size_t{512} << 10;
// A tile of a copy in memory.
constexpr int64_t kCopyBytes = int64_t{1} << 20;
constexpr int64_t kAlignment = 64;

std::vector<SafetensorsEntry> entries_of(std::span<const Piece> pieces) {
  std::vector<SafetensorsEntry> entries;
  for (const Piece& piece : pieces) {
    entries.push_back({piece_name(piece.tensor, piece.interval),
                       piece.data.dtype(),
                       {piece.interval.size()},
                       0,
                       0});
  }
  return entries;
}

std::map<std::string, std::string> metadata_of(const CheckpointInfo& info) {
  return {{"format", "tessera-part-1"},
          {"step", std::to_string(info.step)},
          {"generation", std::to_string(info.generation)},
          {"ranks", std::to_string(info.ranks)}};
}

}  // namespace

std::vector<Piece> pieces_to_write(std::span<const HeldTensor> state) {
  std::vector<Piece> pieces;
  for (const HeldTensor& tensor : state) {
    Interval interval = tensor.written;
    if (num_elements(tensor.shape) == 0) interval = {0, 0};  // a piece all the same: it has a name
    else if (interval.begin >= interval.end) continue;
    Array data = slice_of(tensor.data,
                          {interval.begin - tensor.held.begin, interval.end - tensor.held.begin});
    pieces.push_back({tensor.name, tensor.shape, interval, data});
  }
  return pieces;
}

std::vector<Piece> copies_in(Array& buffer, std::span<const Piece> pieces) {
  auto rounded = [](size_t bytes) {
    return (static_cast<int64_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
  };
  int64_t bytes = 0;
  for (const Piece& piece : pieces) bytes += rounded(piece.data.nbytes());
  if (!buffer.defined() || buffer.numel() < bytes) {
    buffer = {};  // the old one goes before the new one comes
    buffer = Array::empty({bytes}, DType::u8);
  }
  struct Tile {
    std::byte* to;
    const std::byte* from;
    size_t bytes;
  };
  std::vector<Tile> tiles;
  std::vector<Piece> copies;
  int64_t at = 0;
  for (const Piece& piece : pieces) {
    auto item = static_cast<int64_t>(item_size(piece.data.dtype()));
    Array copy(buffer.storage(), piece.data.dtype(), piece.data.shape(), {1}, at / item);
    auto source = bytes_of(piece.data);
    for (size_t done = 0; done < source.size(); done += kCopyBytes) {
      tiles.push_back({static_cast<std::byte*>(copy.raw()) + done, source.data() + done,
                       std::min<size_t>(kCopyBytes, source.size() - done)});
    }
    copies.push_back({piece.tensor, piece.shape, piece.interval, copy});
    at += rounded(piece.data.nbytes());
  }
  parallel_for(static_cast<int64_t>(tiles.size()), [&](int64_t i) {
    const Tile& tile = tiles[static_cast<size_t>(i)];
    std::memcpy(tile.to, tile.from, tile.bytes);
  });
  return copies;
}

std::string part_name(int64_t rank, int64_t ranks, std::string_view ending) {
  return fmt::format("rank-{}-of-{}{}", rank, ranks, ending);
}

Part::Part(std::vector<Piece> pieces, const CheckpointInfo& info, std::string name)
    : pieces_(std::move(pieces)),
      info_(info),
      name_(std::move(name)),
      layout_(layout_safetensors(entries_of(pieces_), metadata_of(info), "[checkpoint] " + name_)) {
}

Manifest Part::write(ChecksumKind kind,
                     const std::function<void(std::span<const std::byte>)>& append) const {
  Manifest manifest{info_, {{name_, bytes(), ""}}, {}};
  auto head = std::as_bytes(std::span(layout_.head));
  append(head);
  std::vector<std::string> checksums;
  for (size_t i = 0; i < layout_.tensors.size(); ++i) {
    const Piece& piece = pieces_[layout_.order[i]];
    auto data = bytes_of(piece.data);
    Checksum checksum(kind);
    for (size_t done = 0; done < data.size(); done += kTileBytes) {
      auto tile = data.subspan(done, std::min(kTileBytes, data.size() - done));
      checksum.update(tile);
      append(tile);
    }
    std::string text = checksum.text();
    if (!data.empty()) checksums.push_back(text);
    manifest.tensors.push_back(
        {piece.tensor,
         piece.data.dtype(),
         piece.shape,
         {{0, piece.interval, head.size() + layout_.tensors[i].begin, text}}});
  }
  manifest.files[0].checksum = file_checksum(head, checksums, kind);
  return manifest;
}

std::string file_checksum(std::span<const std::byte> head,
                          std::span<const std::string> pieces_in_order, ChecksumKind kind) {
  Checksum checksum(kind);
  checksum.update(head);
  for (const std::string& piece : pieces_in_order) {
    checksum.update(std::as_bytes(std::span(piece)));
  }
  return checksum.text();
}

}  // namespace tessera
