#include "distributed/checkpoint/checkpoint_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <thread>

#include "core/json_text.h"
#include "distributed/checkpoint/checkpoint_reader.h"

namespace tessera {
namespace {

constexpr std::string_view kStep = "step-";
constexpr std::string_view kPartial = ".partial";
constexpr std::string_view kRemoved = ".removed";
constexpr std::string_view kBad = ".bad";
constexpr const char* kLatest = "latest";
constexpr const char* kBest = "best";
constexpr std::chrono::milliseconds kPoll{2};
constexpr std::chrono::milliseconds kMaxPoll{100};
constexpr std::chrono::seconds kHurry{3};
constexpr uint64_t kMaxFailureBytes = 1 << 16;
// How files begin that are there for a moment: those of atomic writes, and the one that shows
// whether all ranks see the folder.
constexpr std::array<std::string_view, 3> kTemporaries{".latest.tmp-", ".best.tmp-", ".visible-"};
constexpr int64_t kNoStep = -1;

std::optional<int64_t> take_number(std::string_view& text) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.begin()));
  return number;
}

// What the name of an entry says.
struct Entry {
  int64_t step = 0;
  std::optional<int64_t> generation;
  std::string_view ending;  // empty: a complete checkpoint
};

std::optional<Entry> parse_entry(std::string_view name) {
  if (!name.starts_with(kStep)) return std::nullopt;
  name.remove_prefix(kStep.size());
  Entry entry;
  auto step = take_number(name);
  if (!step) return std::nullopt;
  entry.step = *step;
  if (name.starts_with(".g")) {
    name.remove_prefix(2);
    entry.generation = take_number(name);
    if (!entry.generation) return std::nullopt;
  }
  entry.ending = name;
  bool known = name.empty() || name == kPartial || name == kRemoved || name == kBad;
  return known ? std::optional(entry) : std::nullopt;
}

bool is_complete(const Entry& entry) { return entry.ending.empty() && !entry.generation; }

void write_text(FileSystem& files, const std::string& path, const std::string& text) {
  auto bytes = std::as_bytes(std::span(text));
  files.write_atomically(path, std::span(&bytes, 1));
}

std::string read_text(FileSystem& files, const std::string& path, uint64_t max_bytes) {
  auto bytes = files.read(path, max_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower is better.
std::optional<double> cost_of(const CheckpointInfo& info, const BestBy& best_by) {
  if (best_by.metric.empty()) return info.valid_loss;
  for (const NamedNumber& metric : info.metrics) {
    if (metric.name == best_by.metric) {
      return best_by.higher_is_better ? -metric.value : metric.value;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<int64_t> CheckpointFolder::steps() const {
  std::vector<int64_t> found;
  if (!files_.is_directory(path_)) return found;
  for (const std::string& name : files_.list(path_)) {
    auto entry = parse_entry(name);
    bool ours = entry && is_complete(*entry) && path_ + "/" + name == checkpoint(entry->step);
    if (ours && files_.kind(path_ + "/" + name) == FileKind::directory) {
      found.push_back(entry->step);
    }
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

std::string CheckpointFolder::checkpoint(int64_t step) const {
  return fmt::format("{}/{}{:08}", path_, kStep, step);
}

std::string CheckpointFolder::partial(const CheckpointInfo& info) const {
  return fmt::format("{}.g{}{}", checkpoint(info.step), info.generation, kPartial);
}

int64_t CheckpointFolder::next_generation() const {
  int64_t next = 0;
  if (!files_.is_directory(path_)) return next;
  for (const std::string& name : files_.list(path_)) {
    auto entry = parse_entry(name);
    if (entry && entry->generation) next = std::max(next, *entry->generation + 1);
  }
  for (int64_t step : steps()) {
    try {
      CheckpointReader reader(checkpoint(step), files_);
      next = std::max(next, reader.manifest().info.generation + 1);
    } catch (const Error&) {
      // Whoever loads it says what is wrong; its leftovers would show their generation.
    }
  }
  return next;
}

void CheckpointFolder::write_part(const Part& part, const CheckpointInfo& info, int64_t rank,
                                  ChecksumKind kind) const {
  std::string folder = partial(info);
  files_.make_directories(folder);
  Manifest manifest;
  files_.produce_atomically(folder + "/" + part_name(rank, info.ranks, ".safetensors"),
                            [&](WritableFile& file) {
                              manifest = part.write(kind, [&](auto bytes) { file.append(bytes); });
                            });
  write_text(files_, folder + "/" + part_name(rank, info.ranks, ".json"),
             format_manifest(manifest, ManifestKind::part));
}

void CheckpointFolder::report_failure(const CheckpointInfo& info, int64_t rank,
                                      const std::string& error) const noexcept {
  try {
    write_text(files_, partial(info) + "/" + part_name(rank, info.ranks, ".failed"), error);
  } catch (const std::exception&) {
    // Then they wait for their timeout.
  }
}

void CheckpointFolder::wait_for_parts(const CheckpointInfo& info, std::chrono::milliseconds timeout,
                                      const std::atomic<bool>* hurry) const {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  auto pause = kPoll;
  for (int64_t rank = 0; rank < info.ranks;) {
    if (files_.kind(partial(info) + "/" + part_name(rank, info.ranks, ".json")) == FileKind::file) {
      ++rank;
      pause = kPoll;
      continue;
    }
    for (int64_t other = rank; other < info.ranks; ++other) {
      std::string failure = partial(info) + "/" + part_name(other, info.ranks, ".failed");
      if (files_.kind(failure) != FileKind::file) continue;
      throw_error(fmt::format("rank {}: {}", other, read_text(files_, failure, kMaxFailureBytes)));
    }
    if (hurry && *hurry) {
      deadline = std::min(deadline, std::chrono::steady_clock::now() + kHurry);
      hurry = nullptr;
    }
    TESSERA_CHECK(std::chrono::steady_clock::now() < deadline,
                  "{}: the part of rank {} has not come in time", partial(info), rank);
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kMaxPoll);
  }
}

Manifest CheckpointFolder::read_parts(const CheckpointInfo& info) const {
  std::vector<Manifest> parts;
  for (int64_t rank = 0; rank < info.ranks; ++rank) {
    std::string path = partial(info) + "/" + part_name(rank, info.ranks, ".json");
    parts.push_back(
        parse_manifest(read_text(files_, path, kMaxManifestBytes), ManifestKind::part, path));
    const CheckpointInfo& part = parts.back().info;
    TESSERA_CHECK(
        part.step == info.step && part.generation == info.generation && part.ranks == info.ranks,
        "{}: expected a part of step {}, generation {}, got {}, {}", path, info.step,
        info.generation, part.step, part.generation);
  }
  return merge_parts(std::move(parts), info, partial(info));
}

void CheckpointFolder::complete(const CheckpointInfo& info, std::chrono::milliseconds timeout,
                                const std::atomic<bool>* hurry) const {
  std::string from = partial(info);
  std::string to = checkpoint(info.step);
  try {
    wait_for_parts(info, timeout, hurry);
    write_text(files_, from + "/" + kManifestName,
               format_manifest(read_parts(info), ManifestKind::whole));
    if (files_.kind(to) != FileKind::none) {
      files_.remove_all(from);
      return;
    }
    files_.rename(from, to);
  } catch (const Error&) {
    abandon(info);
    throw;
  }
  files_.sync_directory(path_);
}

void CheckpointFolder::abandon(const CheckpointInfo& info) const noexcept {
  try {
    files_.remove_all(partial(info));
  } catch (const std::exception&) {
    // A later sweep takes it.
  }
}

void CheckpointFolder::wait_until_settled(const CheckpointInfo& info,
                                          std::chrono::milliseconds timeout) const {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  auto pause = kPoll;
  while (files_.kind(partial(info)) != FileKind::none &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kMaxPoll);
  }
}

void CheckpointFolder::sweep(int64_t generation, int64_t step) const {
  if (!files_.is_directory(path_)) return;
  for (const std::string& name : files_.list(path_)) {
    auto entry = parse_entry(name);
    bool temporary = std::any_of(kTemporaries.begin(), kTemporaries.end(),
                                 [&](std::string_view start) { return name.starts_with(start); });
    if (temporary) files_.remove(path_ + "/" + name);
    if (!entry) continue;
    bool failed = entry->ending == kPartial && entry->generation &&
                  (*entry->generation < generation ||
                   (*entry->generation == generation && entry->step < step));
    if (failed || entry->ending == kRemoved) files_.remove_all(path_ + "/" + name);
  }
}

std::optional<int64_t> CheckpointFolder::best_step(const std::vector<int64_t>& steps) const {
  int64_t best = kNoStep;
  double lowest = 0;
  for (int64_t step : steps) {
    try {
      CheckpointReader reader(checkpoint(step), files_);
      std::optional<double> cost = cost_of(reader.manifest().info, best_by_);
      // Steps come newest first: of equal ones, the newest.
      if (!cost || !std::isfinite(*cost) || (best != kNoStep && *cost >= lowest)) continue;
      best = step;
      lowest = *cost;
    } catch (const Error&) {
      // One that cannot be read is not the best.
    }
  }
  return best == kNoStep ? std::nullopt : std::optional(best);
}

void CheckpointFolder::point(const char* name, int64_t step) const {
  std::string target = fmt::format("{}{:08}\n", kStep, step);
  std::string path = path_ + "/" + name;
  if (files_.kind(path) == FileKind::file && read_text(files_, path, 4096) == target) return;
  write_text(files_, path, target);
}

// First it is no checkpoint any more, then it goes.
void CheckpointFolder::remove_complete(int64_t step) const {
  std::string removed = checkpoint(step) + std::string(kRemoved);
  if (files_.kind(removed) != FileKind::none) files_.remove_all(removed);
  files_.rename(checkpoint(step), removed);
  files_.sync_directory(path_);
  files_.remove_all(removed);
}

void CheckpointFolder::prune(int64_t keep, bool keep_best) const {
  std::vector<int64_t> all = steps();
  if (all.empty()) return;
  int64_t best = keep_best ? best_step(all).value_or(kNoStep) : kNoStep;
  point(kLatest, all.front());
  if (best != kNoStep) point(kBest, best);
  for (size_t i = static_cast<size_t>(keep); i < all.size(); ++i) {
    if (all[i] != best) remove_complete(all[i]);
  }
}

void CheckpointFolder::repoint_without(int64_t step) const {
  std::vector<int64_t> left = steps();
  std::erase(left, step);
  auto move = [&](const char* name, std::optional<int64_t> target) {
    std::string path = path_ + "/" + name;
    if (files_.kind(path) == FileKind::none) return;
    if (target) point(name, *target);
    else files_.remove(path);
  };
  move(kLatest, left.empty() ? std::nullopt : std::optional(left.front()));
  move(kBest, best_step(left));
}

std::string CheckpointFolder::set_aside(int64_t step) const {
  repoint_without(step);
  std::string bad = checkpoint(step) + std::string(kBad);
  if (files_.kind(bad) != FileKind::none) files_.remove_all(bad);
  files_.rename(checkpoint(step), bad);
  files_.sync_directory(path_);
  return bad;
}

}  // namespace tessera
