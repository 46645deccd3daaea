#include "distributed/checkpoint/memory_snapshots.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include "distributed/agreement.h"

namespace tessera {
namespace {

constexpr size_t kMessageBytes = size_t{64} << 20;
constexpr int kTag = 0x5a;
constexpr std::array<const char*, 2> kSlotNames{".a", ".b"};

std::string name_in(size_t slot, int64_t rank, int64_t ranks, std::string_view ending) {
  return part_name(rank, ranks, kSlotNames[slot] + std::string(ending));
}

// The boot tells hosts of one name apart.
std::string name_and_boot() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::string id = host.data();
  FileSystem& files = FileSystem::real();
  try {
    // Files in /proc say that they are empty.
    std::string boot(36, '\0');
    files.open("/proc/sys/kernel/random/boot_id")->read(0, std::as_writable_bytes(std::span(boot)));
    id += boot;
  } catch (const Error&) {
  }
  return id;
}

// The rank in "rank-K-of-N.a.json".
std::optional<int64_t> rank_in(std::string_view name) {
  constexpr std::string_view kRank = "rank-";
  if (!name.starts_with(kRank) || !name.ends_with(".json")) return std::nullopt;
  name.remove_prefix(kRank.size());
  int64_t rank = 0;
  auto [end, error] = std::from_chars(name.begin(), name.end(), rank);
  return error == std::errc() && rank >= 0 ? std::optional(rank) : std::nullopt;
}

std::string read_text(FileSystem& files, const std::string& path) {
  auto bytes = files.read(path, kMaxManifestBytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Array as_array(std::span<std::byte> data) {
  return {Storage::wrap(data.data(), data.size(), {}, {}),
          DType::u8,
          {static_cast<int64_t>(data.size())},
          {1},
          0};
}

}  // namespace

MemorySnapshots::MemorySnapshots(std::string folder, std::string run, Communicator& comm,
                                 bool peer_copies)
    : folder_(std::move(folder)), run_(std::move(run)), comm_(comm), peer_copies_(peer_copies) {
  files_.make_directories(folder_);
  std::string own = name_and_boot() + std::filesystem::canonical(folder_).string();
  std::map<std::string, int> known;
  std::vector<int> counts;
  for (const std::string& node : gather_texts(comm_, own)) {
    nodes_.push_back(known.emplace(node, static_cast<int>(known.size())).first->second);
    counts.resize(known.size());
    ++counts[static_cast<size_t>(nodes_.back())];
  }
  bool even = std::is_sorted(nodes_.begin(), nodes_.end()) &&
              std::all_of(counts.begin(), counts.end(), [&](int c) { return c == counts[0]; });
  if (even) ranks_per_node_ = counts[0];
  if (peer_copies_ && (!even || counts.size() < 2)) {
    throw SharedError(
        "checkpoint.memory_copies: 2 keeps a copy on another node: it needs two at least, with "
        "the same number of consecutive ranks on each");
  }
}

int MemorySnapshots::first_on_node(int node) const {
  return static_cast<int>(std::find(nodes_.begin(), nodes_.end(), node) - nodes_.begin());
}

std::vector<MemorySnapshots::Found> MemorySnapshots::list() const {
  std::vector<Found> found;
  for (const std::string& name : files_.list(folder_)) {
    auto rank = rank_in(name);
    if (!rank) continue;
    try {
      Manifest part = parse_manifest(read_text(files_, path(name)), ManifestKind::part, path(name));
      bool there =
          part.files.size() == 1 && files_.kind(path(part.files[0].name)) == FileKind::file;
      if (part.info.run != run_ || !there) continue;
      found.push_back({part.info.step, part.info.generation, part.info.ranks, *rank, name});
    } catch (const Error&) {
      // A snapshot is a copy: one that cannot be read is not there.
    }
  }
  return found;
}

std::vector<std::vector<MemorySnapshots::Found>> MemorySnapshots::list_all() const {
  std::string own;
  for (const Found& part : list()) {
    own += fmt::format("{} {} {} {} {}\n", part.step, part.generation, part.ranks, part.rank,
                       part.manifest_name);
  }
  std::vector<std::vector<Found>> all;
  for (const std::string& text : gather_texts(comm_, own)) {
    std::istringstream lines(text);
    std::vector<Found>& of_rank = all.emplace_back();
    Found part;
    while (lines >> part.step >> part.generation >> part.ranks >> part.rank >> part.manifest_name) {
      of_rank.push_back(part);
    }
  }
  return all;
}

std::optional<int64_t> MemorySnapshots::newest() {
  using Key = std::tuple<int64_t, int64_t, int64_t>;  // step, generation, ranks
  std::map<Key, std::map<int64_t, PartPlace>> snapshots;
  std::vector<std::vector<Found>> all = list_all();
  for (int rank = 0; rank < comm_.size(); ++rank) {
    for (const Found& part : all[static_cast<size_t>(rank)]) {
      auto [place, is_new] = snapshots[{part.step, part.generation, part.ranks}].try_emplace(
          part.rank, PartPlace{part.manifest_name, rank, {}});
      place->second.nodes.push_back(node_of(rank));
    }
  }
  parts_.clear();
  for (auto& [key, parts] : snapshots) {
    if (static_cast<int64_t>(parts.size()) != std::get<2>(key) ||
        parts.rbegin()->first + 1 != std::get<2>(key)) {
      continue;
    }
    parts_.clear();
    for (auto& [rank, place] : parts) parts_.push_back(std::move(place));
  }
  if (parts_.empty()) return std::nullopt;

  // Each part's manifest from its holder.
  std::string own;
  for (const PartPlace& part : parts_) {
    if (part.holder == comm_.rank()) own += read_text(files_, path(part.manifest_name)) + '\0';
  }
  std::vector<std::string> texts = gather_texts(comm_, own);
  std::vector<size_t> next(texts.size());
  std::vector<Manifest> manifests;
  for (const PartPlace& part : parts_) {
    auto holder = static_cast<size_t>(part.holder);
    size_t end = texts[holder].find('\0', next[holder]);
    manifests.push_back(
        parse_manifest(std::string_view(texts[holder]).substr(next[holder], end - next[holder]),
                       ManifestKind::part, part.manifest_name));
    next[holder] = end + 1;
  }
  CheckpointInfo info = manifests[0].info;
  manifest_ = merge_parts(std::move(manifests), info, folder_);
  return info.step;
}

std::vector<size_t> MemorySnapshots::files_needed(std::span<const HeldTensor> state) const {
  std::set<size_t> needed;
  for (const HeldTensor& held : state) {
    const TensorRecord* tensor = manifest_.find(held.name);
    if (!tensor) continue;  // said by read
    for (const PieceRecord& piece : tensor->pieces) {
      if (std::max(piece.interval.begin, held.held.begin) <
          std::min(piece.interval.end, held.held.end)) {
        needed.insert(piece.file);
      }
    }
  }
  return {needed.begin(), needed.end()};
}

void MemorySnapshots::fetch_missing(std::span<const HeldTensor> state) {
  std::vector<std::string> all =
      gather_texts(comm_, fmt::format("{}", fmt::join(files_needed(state), " ")));
  std::set<std::pair<size_t, int>> moves;  // a part, and the node that it goes to
  for (int rank = 0; rank < comm_.size(); ++rank) {
    std::istringstream needed(all[static_cast<size_t>(rank)]);
    size_t part = 0;
    while (needed >> part) {
      const std::vector<int>& there = parts_[part].nodes;
      if (std::find(there.begin(), there.end(), node_of(rank)) == there.end()) {
        moves.emplace(part, node_of(rank));
      }
    }
  }
  for (auto [part, node] : moves) move_part(part, first_on_node(node));
  comm_.barrier().join();
}

void MemorySnapshots::move_part(size_t part, int to) {
  const PartPlace& place = parts_[part];
  const FileRecord& record = manifest_.files[part];
  if (comm_.rank() == place.holder) {
    auto data = files_.read(path(record.name), UINT64_MAX);
    // What is shorter than it was is damaged, and is found to be so where it arrives.
    data.resize(record.bytes);
    send_bytes(data, to);
  } else if (comm_.rank() == to) {
    remove_if_there(place.manifest_name);
    remove_if_there(record.name);
    MappedFile file(path(record.name), record.bytes);
    recv_bytes(file.data(), place.holder);
  }
}

void MemorySnapshots::read(std::span<const HeldTensor> state) {
  fetch_missing(state);
  read_state(CheckpointReader(folder_, manifest_, files_), state);
  good_.reset();
  if (manifest_.info.ranks == comm_.size()) {
    const std::string& own = parts_[static_cast<size_t>(comm_.rank())].manifest_name;
    good_ = own == name_in(0, comm_.rank(), comm_.size(), ".json") ? 0 : 1;
  }
}

void MemorySnapshots::clear() {
  parts_.clear();
  good_.reset();
  if (first_on_own_node()) {
    for (const Found& part : list()) {
      remove_if_there(part.manifest_name);
      std::string data = part.manifest_name;
      data.replace(data.rfind(".json"), std::string::npos, ".safetensors");
      remove_if_there(data);
    }
  }
  comm_.barrier().join();
}

std::string MemorySnapshots::take(std::vector<Piece> pieces, const CheckpointInfo& info) {
  size_t slot = good_ == size_t{0} ? 1 : 0;
  std::string error;
  try {
    write_own(slot, std::move(pieces), info);
  } catch (const Error& e) {
    error = e.what();
  }
  // A rank that has nothing to send would leave its peer waiting.
  if (std::string failed = first_error(comm_, error); !failed.empty()) return failed;
  if (peer_copies_) {
    try {
      exchange_with_peers(slot);
    } catch (const CommError&) {
      throw;
    } catch (const Error& e) {
      error = e.what();
    }
    if (std::string failed = first_error(comm_, error); !failed.empty()) return failed;
  }
  good_ = slot;
  if (++num_taken_ == 2) remove_other_sizes();
  return "";
}

void MemorySnapshots::write_own(size_t slot, std::vector<Piece> pieces,
                                const CheckpointInfo& info) {
  std::string file = name_in(slot, comm_.rank(), comm_.size(), ".safetensors");
  std::string manifest = name_in(slot, comm_.rank(), comm_.size(), ".json");
  Part part(std::move(pieces), info, file);
  remove_if_there(manifest);
  auto& mapped = own_[slot];
  if (!mapped || mapped->data().size() != part.bytes()) {
    mapped.reset();
    mapped = std::make_unique<MappedFile>(path(file), part.bytes());
  }
  std::byte* next = mapped->data().data();
  Manifest listed = part.write(ChecksumKind::xxh3, [&](std::span<const std::byte> bytes) {
    std::memcpy(next, bytes.data(), bytes.size());
    next += bytes.size();
  });
  own_manifest_ = format_manifest(listed, ManifestKind::part);
  write_manifest(manifest, own_manifest_);
}

// Every rank's part goes to the rank with its place on the next node.
void MemorySnapshots::exchange_with_peers(size_t slot) {
  int to = (comm_.rank() + ranks_per_node_) % comm_.size();
  int from = (comm_.rank() - ranks_per_node_ + comm_.size()) % comm_.size();
  std::string file = name_in(slot, from, comm_.size(), ".safetensors");
  std::string manifest = name_in(slot, from, comm_.size(), ".json");
  Array sizes = Array::from(std::vector<int64_t>{static_cast<int64_t>(own_[slot]->data().size()),
                                                 static_cast<int64_t>(own_manifest_.size())},
                            {2});
  Array theirs = Array::zeros({2}, DType::i64);
  Work sent = comm_.send(sizes, to, kTag);
  comm_.recv(theirs, from, kTag).join();
  sent.join();
  auto bytes = static_cast<size_t>(theirs.data<int64_t>()[0]);
  std::string text(static_cast<size_t>(theirs.data<int64_t>()[1]), '\0');

  std::string error;
  std::vector<std::byte> nowhere;  // what cannot be kept has to arrive all the same
  std::span<std::byte> target;
  try {
    remove_if_there(manifest);
    auto& mapped = peers_[slot];
    if (!mapped || mapped->data().size() != bytes) {
      mapped.reset();
      mapped = std::make_unique<MappedFile>(path(file), bytes);
    }
    target = mapped->data();
  } catch (const Error& e) {
    error = e.what();
    nowhere.resize(bytes);
    target = nowhere;
  }
  auto exchange = [&](std::span<std::byte> out, std::span<std::byte> in) {
    for (size_t at = 0; at < std::max(out.size(), in.size()); at += kMessageBytes) {
      auto piece = [&](std::span<std::byte> all) {
        return all.subspan(at, std::min(kMessageBytes, all.size() - at));
      };
      Work send;
      if (at < out.size()) send = comm_.send(as_array(piece(out)), to, kTag);
      if (at < in.size()) comm_.recv(as_array(piece(in)), from, kTag).join();
      send.join();
    }
  };
  exchange(own_[slot]->data(), target);
  exchange(std::as_writable_bytes(std::span(own_manifest_)),
           std::as_writable_bytes(std::span(text)));
  TESSERA_CHECK(error.empty(), "{}", error);
  write_manifest(manifest, text);
}

void MemorySnapshots::send_bytes(std::span<std::byte> data, int peer) const {
  for (size_t at = 0; at < data.size(); at += kMessageBytes) {
    auto piece = data.subspan(at, std::min(kMessageBytes, data.size() - at));
    comm_.send(as_array(piece), peer, kTag).join();
  }
}

void MemorySnapshots::recv_bytes(std::span<std::byte> data, int peer) const {
  for (size_t at = 0; at < data.size(); at += kMessageBytes) {
    auto piece = data.subspan(at, std::min(kMessageBytes, data.size() - at));
    comm_.recv(as_array(piece), peer, kTag).join();
  }
}

void MemorySnapshots::write_manifest(const std::string& name, const std::string& text) const {
  auto bytes = std::as_bytes(std::span(text));
  files_.write_atomically(path(name), std::span(&bytes, 1));
}

void MemorySnapshots::remove_if_there(const std::string& name) const {
  if (files_.kind(path(name)) != FileKind::none) files_.remove(path(name));
}

// Snapshots of other numbers of ranks, when this one has two of its own.
void MemorySnapshots::remove_other_sizes() const {
  if (!first_on_own_node()) return;
  for (const Found& part : list()) {
    if (part.ranks == comm_.size()) continue;
    remove_if_there(part.manifest_name);
    std::string data = part.manifest_name;
    data.replace(data.rfind(".json"), std::string::npos, ".safetensors");
    remove_if_there(data);
  }
}

}  // namespace tessera
