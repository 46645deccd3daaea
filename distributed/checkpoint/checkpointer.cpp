#include "distributed/checkpoint/checkpointer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>
#include <utility>

#include "distributed/agreement.h"
#include "distributed/checkpoint/checkpoint_reader.h"

namespace tessera {
namespace {

// Stands for the snapshot in memory among paths of checkpoints.
constexpr const char* kMemory = "";

bool is_bad(const std::optional<double>& metric) { return metric && !std::isfinite(*metric); }

}  // namespace

Checkpointer::Checkpointer(TrainStep& step, const std::string& folder, CheckpointerOptions options)
    : step_(step), comm_(step.mesh().control()), options_(std::move(options)) {
  begin_generation(folder);
  saver_.emplace(
      CheckpointFolder(folder, FileSystem::real(), options_.best_by), comm_.rank(),
      SaveOptions{
          .keep = options_.keep, .keep_best = options_.keep_best, .checksum = options_.checksum});
  check_visible();
  if (options_.snapshots.folder.empty()) return;
  memory_.emplace(options_.snapshots.folder, info({}).run, comm_, options_.snapshots.peer_copies);
}

// What is wrong with the options is so on every rank, and with the folder on the first.
void Checkpointer::begin_generation(const std::string& folder) {
  const SnapshotOptions& snapshots = options_.snapshots;
  TESSERA_CHECK(options_.every >= 0, "[checkpointer] expected `every` of at least 0, got {}",
                options_.every);
  TESSERA_CHECK(options_.keep >= 1, "[checkpointer] expected `keep` of at least 1, got {}",
                options_.keep);
  TESSERA_CHECK(snapshots.folder.empty() || snapshots.every >= 1,
                "[checkpointer] expected `snapshots.every` of at least 1, got {}", snapshots.every);
  std::string generation;
  std::string error;
  if (comm_.rank() == 0) {
    try {
      FileSystem::real().make_directories(folder);
      generation = std::to_string(CheckpointFolder(folder).next_generation());
    } catch (const Error& e) {
      error = e.what();
    }
  }
  error = first_error(comm_, error);
  if (!error.empty()) throw SharedError(error);
  generation = gather_texts(comm_, generation)[0];
  std::from_chars(generation.data(), generation.data() + generation.size(), generation_);
}

void Checkpointer::check_visible() {
  if (comm_.size() == 1) return;
  FileSystem& files = folder().files();
  std::string path;
  std::string error;
  if (comm_.rank() == 0) {
    try {
      std::random_device random;
      path = fmt::format("{}/.visible-{:08x}{:08x}", folder().path(), random(), random());
      files.create(path)->finish();
    } catch (const Error& e) {
      error = e.what();
    }
  }
  error = first_error(comm_, error);
  if (!error.empty()) throw SharedError(error);
  path = gather_texts(comm_, path)[0];
  bool seen = files.kind(path) == FileKind::file;
  std::vector<std::string> all = gather_texts(comm_, seen ? "1" : "");
  if (comm_.rank() == 0) files.remove(path);
  auto blind = std::find(all.begin(), all.end(), "");
  if (blind == all.end()) return;
  throw SharedError(
      fmt::format("{}: rank {} does not see what rank 0 writes there; the run's folder must be one "
                  "that all ranks share",
                  folder().path(), blind - all.begin()));
}

// What no checkpoint for this run can be has the same reason on every rank.
std::vector<std::string> Checkpointer::check_fits(const Manifest& manifest,
                                                  const std::string& what) const {
  try {
    check_same_tensors(manifest, step_.module(), step_.optimizer(), what);
    return options_.accept ? options_.accept(manifest.info, what) : std::vector<std::string>();
  } catch (const Error& error) {
    throw SharedError(error.what());
  }
}

void Checkpointer::begin_at(const CheckpointInfo& info, const std::string& from,
                            std::vector<std::string> notes, Start& start) {
  step_.restored(info.step, info.updates, info.loss_scale);
  start = {info.step, info.position, info.loop, from, std::move(notes)};
}

std::string Checkpointer::try_memory(Start& start) {
  const CheckpointInfo& info = memory_->info();
  std::vector<std::string> notes = check_fits(memory_->manifest(), "the snapshot in memory");
  std::string error;
  try {
    memory_->read(step_.held());
  } catch (const CommError&) {
    throw;
  } catch (const Error& e) {
    error = e.what();
  }
  std::string failed = first_error(comm_, error);
  from_memory_ = failed.empty();
  if (failed.empty()) {
    begin_at(info, fmt::format("a snapshot in memory of step {}", info.step), std::move(notes),
             start);
  }
  return failed;
}

std::string Checkpointer::try_checkpoint(const std::string& path, Start& start) {
  std::string error;
  std::optional<CheckpointReader> reader;
  try {
    reader.emplace(path);
  } catch (const Error& e) {
    error = e.what();
  }
  if (std::string failed = first_error(comm_, error); !failed.empty()) return failed;
  // A folder of each node's own may stand under the path.
  std::string manifest = format_manifest(reader->manifest(), ManifestKind::whole);
  std::string checksum = checksum_of(std::as_bytes(std::span(manifest)), ChecksumKind::xxh3);
  require_agreement(comm_, {{"the checkpoint " + path, checksum}});
  std::vector<std::string> notes = check_fits(reader->manifest(), path);
  try {
    read_state(*reader, step_.held());
  } catch (const Error& e) {
    error = e.what();
  }
  std::string failed = first_error(comm_, error);
  if (failed.empty()) begin_at(reader->manifest().info, path, std::move(notes), start);
  return failed;
}

std::vector<std::string> Checkpointer::candidates(const ResumeFrom& from) {
  std::vector<std::string> paths = from.checkpoints;
  if (!memory_ || !from.may_pass_over) return paths;
  if (std::optional<int64_t> step = memory_->newest()) {
    // Before what is on disk of the same step.
    std::string same = folder().checkpoint(*step);
    auto place = std::find_if(paths.begin(), paths.end(),
                              [&](const std::string& path) { return path <= same; });
    paths.insert(place, kMemory);
  }
  return paths;
}

Checkpointer::Start Checkpointer::resume(const ResumeFrom& from) {
  Start start;
  std::vector<std::string> damaged;
  std::vector<std::string> errors;
  for (const std::string& path : candidates(from)) {
    std::string failed = path == kMemory ? try_memory(start) : try_checkpoint(path, start);
    if (failed.empty()) break;
    if (!from.may_pass_over) throw SharedError(fmt::format("{}: {}", from.what, failed));
    damaged.push_back(path);
    errors.push_back(failed);
  }
  if (start.from.empty() && !damaged.empty()) {
    throw SharedError(fmt::format("{}: none of the {} checkpoints in {} can be used; {}", from.what,
                                  damaged.size(), folder().path(), errors.front()));
  }
  for (size_t i = 0; i < damaged.size(); ++i) {
    start.notes.push_back("passed over a damaged checkpoint: " + errors[i]);
    if (damaged[i] != kMemory) set_aside(damaged[i], start);
  }
  if (memory_ && !from_memory_) memory_->clear();
  if (comm_.rank() == 0) folder().sweep(generation_, 0);
  return start;
}

Checkpointer::Start Checkpointer::resume_latest() {
  // As rank 0 sees them: a file system may show them to others later.
  std::string steps;
  if (comm_.rank() == 0) steps = fmt::format("{}", fmt::join(folder().steps(), " "));
  steps = gather_texts(comm_, steps)[0];
  ResumeFrom from{.may_pass_over = true};
  for (const char *at = steps.data(), *end = at + steps.size(); at < end;) {
    int64_t step = 0;
    at = std::from_chars(at, end, step).ptr + 1;
    from.checkpoints.push_back(folder().checkpoint(step));
  }
  return resume(from);
}

// Otherwise the same step could not be saved again.
void Checkpointer::set_aside(const std::string& path, Start& start) {
  if (comm_.rank() != 0) return;
  for (int64_t step : folder().steps()) {
    if (folder().checkpoint(step) != path) continue;
    start.notes.push_back("it is now called " + folder().set_aside(step));
  }
}

CheckpointInfo Checkpointer::info(const Point& point) const {
  CheckpointInfo info = options_.describe ? options_.describe() : CheckpointInfo();
  info.step = step_.steps_done();
  info.generation = generation_;
  info.ranks = comm_.size();
  info.position = point.position;
  info.updates = step_.updates_done();
  info.loss_scale = step_.loss_scale();
  info.valid_loss = point.metric;
  info.metrics = point.metrics;
  info.digest = point.digest;
  if (info.run.empty()) info.run = folder().path();
  return info;
}

// What came out of an update that overflowed must not take the place of what was good.
void Checkpointer::require_finite() const {
  std::string parameter = step_.nonfinite_parameter();
  if (parameter.empty()) return;
  throw SharedError(
      fmt::format("step {}: after the update, parameter '{}' or its optimizer state is not finite; "
                  "nothing is saved of that",
                  step_.steps_done(), parameter));
}

bool Checkpointer::snapshot_due() const {
  return memory_ && step_.steps_done() % options_.snapshots.every == 0;
}

bool Checkpointer::checkpoint_due() const {
  return options_.every > 0 && step_.steps_done() % options_.every == 0;
}

void Checkpointer::after_step(const Point& point) {
  int64_t step = step_.steps_done();
  bool snapshot = snapshot_due();
  bool checkpoint = checkpoint_due();
  // An update after it was finite, and so the weights of the newest were good.
  bool good = prune_due_ && step_.updates_done() > updates_saved_;
  if (good && saver_->prune()) prune_due_ = false;
  if (!snapshot && !checkpoint) return;
  require_finite();
  if (checkpoint) require_earlier();
  if (is_bad(point.metric)) {
    messages_.failed.push_back(
        fmt::format("step {}: nothing was saved, for the validation loss is not finite", step));
    return;
  }
  if (snapshot) take_snapshot(point);
  if (checkpoint) begin_save(point);
}

// Of every rank's saves: one that failed elsewhere left no checkpoint either.
void Checkpointer::require_earlier() {
  if (!options_.failures_end_training) return;
  saver_->wait();
  take_outcomes();
  std::string failed = first_error(comm_, failure_);
  if (!failed.empty()) throw SharedError(failed);
}

void Checkpointer::take_snapshot(const Point& point) {
  std::string failed =
      memory_->take(pieces_to_write(step_.held()), info({.position = point.position}));
  if (failed.empty()) return;
  messages_.failed.push_back(
      fmt::format("step {}: no snapshot in memory was taken: {}", step_.steps_done(), failed));
}

void Checkpointer::begin_save(const Point& point) {
  prune_due_ = true;
  updates_saved_ = step_.updates_done();
  if (options_.background) {
    saver_->start(pieces_to_write(step_.held()), info(point), /*replace=*/false);
    return;
  }
  take(saver_->save(pieces_to_write(step_.held()), info(point), /*replace=*/false));
  require_earlier();
}

std::string Checkpointer::save(const Point& point) {
  require_finite();
  bool aside = point.last && is_bad(point.metric) &&
               folder().files().kind(folder().checkpoint(step_.steps_done())) == FileKind::none;
  // A stopped run has not shown yet that its last update was good.
  bool replace = (point.last || point.metric) && !is_bad(point.metric);
  SaveOutcome outcome = saver_->save(pieces_to_write(step_.held()), info(point), replace);
  if (aside && comm_.rank() == 0 && outcome.error.empty()) {
    try {
      outcome.path = folder().set_aside(step_.steps_done());
    } catch (const Error& error) {
      outcome.error = error.what();
    }
  }
  // Nobody reports success before the checkpoint is there.
  std::string failed = first_error(comm_, outcome.error);
  if (failed.empty()) return outcome.path;
  // Nobody writes any more.
  if (comm_.rank() == 0) folder().sweep(generation_, step_.steps_done() + 1);
  throw SharedError(failed);
}

void Checkpointer::take(const SaveOutcome& outcome) {
  if (outcome.error.empty()) {
    messages_.done.push_back(fmt::format("step {}: checkpoint {} ({:.1f} s)", outcome.step,
                                         outcome.path, outcome.seconds));
    return;
  }
  messages_.failed.push_back(
      fmt::format("step {}: no checkpoint was saved: {}", outcome.step, outcome.error));
  if (failure_.empty()) failure_ = messages_.failed.back();
}

void Checkpointer::take_outcomes() {
  for (const SaveOutcome& outcome : saver_->take_outcomes()) take(outcome);
}

Checkpointer::Messages Checkpointer::take_messages() {
  take_outcomes();
  return std::exchange(messages_, {});
}

}  // namespace tessera
