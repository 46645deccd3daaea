#include "distributed/checkpoint/checkpoint_reader.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/io/checksum.h"
#include "core/io/elements.h"
#include "core/io/safetensors_header.h"
#include "core/json_text.h"
#include "core/parallel.h"

namespace tessera {
namespace {

// What is read and then hashed while it is in the cache of a core.
constexpr uint64_t kTileBytes = uint64_t{512} << 10;

Manifest read_manifest(const std::string& folder, FileSystem& files) {
  std::string what = fmt::format("{}/{}", folder, kManifestName);
  auto file = files.open_beneath(folder, kManifestName);
  TESSERA_CHECK(file->size() <= kMaxManifestBytes, "{}: expected at most {} bytes, got {}", what,
                kMaxManifestBytes, file->size());
  std::string text(file->size(), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)));
  return parse_manifest(text, ManifestKind::whole, what);
}

// What a target wants of a tile [begin, end) of a piece, both in bytes of the tensor.
struct Overlap {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool empty() const { return begin >= end; }
};

}  // namespace

CheckpointReader::CheckpointReader(const std::string& folder, FileSystem& files)
    : CheckpointReader(folder, read_manifest(folder, files), files) {
  for (const FileRecord& record : manifest_.files) {
    check_size(record, *files_.open_beneath(folder_, record.name));
  }
}

CheckpointReader::CheckpointReader(const std::string& folder, Manifest manifest, FileSystem& files)
    : folder_(folder), files_(files), manifest_(std::move(manifest)) {
  placed_.resize(manifest_.files.size());
  for (const TensorRecord& tensor : manifest_.tensors) {
    tensors_.push_back({tensor.name, tensor.dtype, tensor.shape});
    for (const PieceRecord& piece : tensor.pieces) placed_[piece.file].push_back({&tensor, &piece});
  }
  for (std::vector<Placed>& in_file : placed_) {
    std::sort(in_file.begin(), in_file.end(), [](const Placed& a, const Placed& b) {
      return std::tuple(a.piece->at, a.piece->interval.size(),
                        piece_name(a.tensor->name, a.piece->interval)) <
             std::tuple(b.piece->at, b.piece->interval.size(),
                        piece_name(b.tensor->name, b.piece->interval));
    });
  }
}

std::map<std::string, std::string> CheckpointReader::metadata() const {
  const CheckpointInfo& info = manifest_.info;
  std::map<std::string, std::string> metadata{{kStepKey, std::to_string(info.step)},
                                              {kConfigKey, info.config}};
  if (info.digest) metadata[kDigestKey] = *info.digest;
  return metadata;
}

void CheckpointReader::check_size(const FileRecord& record, const ReadableFile& file) const {
  TESSERA_CHECK(file.size() == record.bytes, "{}/{}: expected {} bytes, got {}: it is {}", folder_,
                record.name, record.bytes, file.size(),
                file.size() < record.bytes ? "cut off" : "another file");
}

// Says what the file is instead, where it can be told.
void CheckpointReader::fail_header(const FileRecord& record, const std::string& head) const {
  std::string found;
  try {
    SafetensorsHeader header =
        parse_safetensors_header(head.substr(8), record.bytes - head.size(), "");
    auto step = header.metadata.find("step");
    if (step != header.metadata.end() && step->second != std::to_string(manifest_.info.step)) {
      found = fmt::format("; it is one of step {}", excerpt(step->second));
    }
  } catch (const Error&) {
    found = "; it is damaged";
  }
  throw_error(fmt::format("{}/{}: its header is not the one of this checkpoint, step {}{}", folder_,
                          record.name, manifest_.info.step, found));
}

std::unique_ptr<ReadableFile> CheckpointReader::open_file(size_t index) const {
  const FileRecord& record = manifest_.files[index];
  auto file = files_.open_beneath(folder_, record.name);
  check_size(record, *file);
  const std::vector<Placed>& pieces = placed_[index];
  uint64_t head_bytes = pieces.empty() ? file->size() : pieces.front().piece->at;
  TESSERA_CHECK(head_bytes >= 8 && head_bytes <= file->size() &&
                    head_bytes <= 8 + kMaxSafetensorsHeaderBytes + 8,
                "{}/{}: a header of {} bytes in {}", folder_, record.name, head_bytes,
                file->size());
  std::string head(head_bytes, '\0');
  file->read(0, std::as_writable_bytes(std::span(head)));
  std::vector<std::string> checksums;
  for (const Placed& placed : pieces) {
    if (placed.piece->interval.size() > 0) checksums.push_back(placed.piece->checksum);
  }
  std::string found =
      file_checksum(std::as_bytes(std::span(head)), checksums, *checksum_kind(record.checksum));
  if (found != record.checksum) fail_header(record, head);
  return file;
}

void CheckpointReader::read(std::span<const ReadTarget> targets) const {
  std::vector<Job> jobs;
  for (const ReadTarget& target : targets) {
    const TensorRecord* tensor = manifest_.find(target.name);
    TESSERA_CHECK(tensor, "{}: there is no tensor {}", folder_, excerpt(target.name));
    TESSERA_ASSERT(target.data.dtype() == tensor->dtype && target.interval.begin >= 0 &&
                   target.interval.end <= tensor->numel() &&
                   target.data.numel() == target.interval.size());
    for (const PieceRecord& piece : tensor->pieces) {
      bool overlaps = std::max(piece.interval.begin, target.interval.begin) <
                      std::min(piece.interval.end, target.interval.end);
      if (overlaps) jobs.push_back({{tensor, &piece}, &target});
    }
  }
  run(jobs);
}

void CheckpointReader::verify() const {
  std::vector<Job> jobs;
  for (size_t i = 0; i < placed_.size(); ++i) {
    if (placed_[i].empty()) open_file(i);
    uint64_t position = placed_[i].empty() ? manifest_.files[i].bytes : placed_[i][0].piece->at;
    for (const Placed& placed : placed_[i]) {
      TESSERA_CHECK(placed.piece->at == position, "{}/{}: byte {} belongs to {}", folder_,
                    manifest_.files[i].name, std::min(position, placed.piece->at),
                    position < placed.piece->at ? "no tensor" : "two tensors");
      position += placed.tensor->bytes_of(placed.piece->interval);
      jobs.push_back({placed, nullptr});
    }
    TESSERA_CHECK(position == manifest_.files[i].bytes, "{}/{}: byte {} belongs to no tensor",
                  folder_, manifest_.files[i].name, position);
  }
  run(jobs);
}

void CheckpointReader::run(std::span<const Job> jobs) const {
  std::map<size_t, std::unique_ptr<ReadableFile>> open;
  for (const Job& job : jobs) {
    auto& file = open[job.from.piece->file];
    if (!file) file = open_file(job.from.piece->file);
  }
  // Largest first, so that threads end together.
  std::vector<const Job*> order;
  for (const Job& job : jobs) order.push_back(&job);
  std::stable_sort(order.begin(), order.end(), [](const Job* a, const Job* b) {
    return a->from.tensor->bytes_of(a->from.piece->interval) >
           b->from.tensor->bytes_of(b->from.piece->interval);
  });
  parallel_for(static_cast<int64_t>(order.size()), [&](int64_t i) {
    const Job& job = *order[static_cast<size_t>(i)];
    read_piece(*open.at(job.from.piece->file), job);
  });
}

void CheckpointReader::read_piece(const ReadableFile& file, const Job& job) const {
  const auto& [tensor, piece] = job.from;
  uint64_t item = item_size(tensor->dtype);
  uint64_t begin = static_cast<uint64_t>(piece->interval.begin) * item;
  uint64_t end = static_cast<uint64_t>(piece->interval.end) * item;
  std::byte* out = nullptr;
  uint64_t out_begin = 0;
  uint64_t out_end = 0;
  if (job.target) {
    out = static_cast<std::byte*>(job.target->data.raw());
    out_begin = static_cast<uint64_t>(job.target->interval.begin) * item;
    out_end = static_cast<uint64_t>(job.target->interval.end) * item;
  }
  Checksum checksum(*checksum_kind(piece->checksum));
  std::vector<std::byte> scratch;
  for (uint64_t at = begin; at < end; at += kTileBytes) {
    uint64_t tile_end = std::min(end, at + kTileBytes);
    std::span<std::byte> tile;
    bool whole = out_begin <= at && tile_end <= out_end;
    if (whole) {
      tile = {out + (at - out_begin), tile_end - at};
    } else {
      scratch.resize(std::min(kTileBytes, end - begin));
      tile = std::span(scratch).first(tile_end - at);
    }
    file.read(piece->at + (at - begin), tile);
    checksum.update(tile);
    if (tensor->dtype == DType::boolean) {
      check_bools(tile, fmt::format("{}: {}", folder_, excerpt(tensor->name)));
    }
    Overlap wanted{std::max(at, out_begin), std::min(tile_end, out_end)};
    if (!whole && !wanted.empty()) {
      std::memcpy(out + (wanted.begin - out_begin), tile.data() + (wanted.begin - at),
                  wanted.end - wanted.begin);
    }
  }
  std::string found = checksum.text();
  TESSERA_CHECK(found == piece->checksum,
                "{}/{}: {} is damaged: its checksum is {}, and the manifest says {}", folder_,
                manifest_.files[piece->file].name,
                excerpt(piece_name(tensor->name, piece->interval)), found, piece->checksum);
}

void read_state(const CheckpointReader& reader, std::span<const HeldTensor> state) {
  std::vector<ReadTarget> targets;
  for (const HeldTensor& held : state) {
    const TensorRecord* tensor = reader.manifest().find(held.name);
    TESSERA_CHECK(tensor, "{}: there is no tensor {}", reader.path(), excerpt(held.name));
    TESSERA_CHECK(tensor->dtype == held.data.dtype() && tensor->shape == held.shape,
                  "{}: {}: expected {} {}, got {} {}", reader.path(), excerpt(held.name),
                  held.data.dtype(), held.shape, tensor->dtype, tensor->shape);
    targets.push_back({held.name, held.held, held.data});
  }
  reader.read(targets);
}

}  // namespace tessera
