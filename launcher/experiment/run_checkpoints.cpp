#include "launcher/experiment/run_checkpoints.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "core/cpu/cpu.h"
#include "distributed/agreement.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/initial_weights.h"
#include "launcher/experiment/process_info.h"
#include "launcher/job/launched_job.h"

namespace tessera::experiment {
namespace {

// Stands for the snapshot in memory among paths of checkpoints.
constexpr const char* kMemory = "";

std::string canonical(const std::string& path) {
  std::error_code error;
  auto found = std::filesystem::weakly_canonical(path, error);
  return error ? path : found.string();
}

SaveOptions save_options(const CheckpointConfig& config) {
  return {.keep = config.keep, .keep_best = config.best, .checksum = config.checksum};
}

std::string build_of_this_run() {
  return fmt::format("{}, {}", build_id(), cpu::instruction_set());
}

bool is_bad(const std::optional<double>& loss) { return loss && !std::isfinite(*loss); }

}  // namespace

void check_start(const Config& config, const nn::Module& model, const optim::Optimizer& optimizer,
                 const std::string& data) {
  const std::string& resume = config.run.resume;
  if (resume == kResumeNone && config.init.from) take_initial_weights(config.init, model, {});
  if (resume == kResumeNone || resume == kResumeAuto) return;
  CheckpointReader reader(checkpoint_to_resume(resume));
  std::string what = "run.resume: " + reader.path();
  check_same_tensors(reader.manifest(), model, optimizer, what);
  check_resumable(reader.manifest().info, {config, dump_yaml(config), data, build_of_this_run()},
                  what);
}

RunCheckpoints::RunCheckpoints(const Parts& parts, const RunDirectory& directory)
    : config_(parts.config),
      model_(parts.model),
      optimizer_(parts.optimizer),
      step_(parts.step),
      comm_(parts.comm),
      run_(canonical(directory.path())),
      config_text_(dump_yaml(parts.config)),
      data_(parts.data) {
  CheckpointFolder folder(directory.checkpoints());
  std::string generation;
  if (comm_.rank() == 0) generation = std::to_string(folder.next_generation());
  generation = gather_texts(comm_, generation)[0];
  std::from_chars(generation.data(), generation.data() + generation.size(), generation_);
  saver_.emplace(folder, comm_.rank(), save_options(config_.checkpoint));
  check_visible();
  const char* named = std::getenv(kSnapshotFolder);
  std::string snapshots = named ? named : "";
  // The launcher names a folder where it may restart the ranks.
  bool launched = !snapshots.empty() && !launched_job().id.empty();
  memory_every_ = config_.checkpoint.memory_every.value.value_or(launched ? 1 : 0);
  if (memory_every_ > 0) {
    if (snapshots.empty()) {
      throw SharedError(fmt::format(
          "checkpoint.memory_every: snapshots in memory need a folder for them, named by {}: one "
          "in /dev/shm, say",
          kSnapshotFolder));
    }
    memory_.emplace(snapshots, run_, comm_, config_.checkpoint.memory_copies > 1);
  }
}

void RunCheckpoints::check_visible() {
  if (comm_.size() == 1) return;
  FileSystem& files = saver_->folder().files();
  std::string path;
  if (comm_.rank() == 0) {
    std::random_device random;
    path = fmt::format("{}/.visible-{:08x}{:08x}", saver_->folder().path(), random(), random());
    files.create(path)->finish();
  }
  path = gather_texts(comm_, path)[0];
  bool seen = files.kind(path) == FileKind::file;
  std::vector<std::string> all = gather_texts(comm_, seen ? "1" : "");
  if (comm_.rank() == 0) files.remove(path);
  auto blind = std::find(all.begin(), all.end(), "");
  if (blind == all.end()) return;
  throw SharedError(
      fmt::format("{}: rank {} does not see what rank 0 writes there; the run's folder must be one "
                  "that all ranks share",
                  saver_->folder().path(), blind - all.begin()));
}

// What no checkpoint for this run can be has the same reason on every rank.
void RunCheckpoints::check_fits(const CheckpointInfo& info, const Manifest& manifest,
                                const std::string& path) {
  try {
    check_same_tensors(manifest, model_, optimizer_, path);
    check_resumable(info, now(), path);
  } catch (const Error& error) {
    throw SharedError(error.what());
  }
}

std::string RunCheckpoints::build() const { return build_of_this_run(); }

void RunCheckpoints::begin_at(const CheckpointInfo& info, const std::string& from, Start& start) {
  step_.restored(info.step, info.updates);
  start.from = from;
  start.step = info.step;
  start.position = info.position;
  for (std::string& line : changes_since(info, now())) start.notes.push_back(std::move(line));
}

std::string RunCheckpoints::try_memory(Start& start) {
  const CheckpointInfo& info = memory_->info();
  check_fits(info, memory_->manifest(), "the snapshot in memory");
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
  if (failed.empty())
    begin_at(info, fmt::format("a snapshot in memory of step {}", info.step), start);
  return failed;
}

std::string RunCheckpoints::try_checkpoint(const std::string& path, Start& start) {
  std::string error;
  std::optional<CheckpointReader> reader;
  try {
    reader.emplace(path);
  } catch (const Error& e) {
    error = e.what();
  }
  if (std::string failed = first_error(comm_, error); !failed.empty()) return failed;
  // A folder of each machine's own may stand under the path.
  std::string manifest = format_manifest(reader->manifest(), ManifestKind::whole);
  std::string checksum = checksum_of(std::as_bytes(std::span(manifest)), ChecksumKind::xxh3);
  require_agreement(comm_, {{"the checkpoint " + path, checksum}});
  const CheckpointInfo& info = reader->manifest().info;
  check_fits(info, reader->manifest(), path);
  try {
    read_state(*reader, step_.held());
  } catch (const Error& e) {
    error = e.what();
  }
  std::string failed = first_error(comm_, error);
  if (failed.empty()) begin_at(info, path, start);
  return failed;
}

std::vector<std::string> RunCheckpoints::candidates(const StartPlan& plan) {
  std::vector<std::string> paths = plan.checkpoints;
  if (!memory_ || !plan.may_pass_over) return paths;
  if (std::optional<int64_t> step = memory_->newest()) {
    // Before what is on disk of the same step.
    std::string same = saver_->folder().checkpoint(*step);
    auto place = std::find_if(paths.begin(), paths.end(),
                              [&](const std::string& path) { return path <= same; });
    paths.insert(place, kMemory);
  }
  return paths;
}

RunCheckpoints::Start RunCheckpoints::start(const StartPlan& plan) {
  Start start;
  std::vector<std::string> damaged;
  std::vector<std::string> errors;
  for (const std::string& path : candidates(plan)) {
    std::string failed = path == kMemory ? try_memory(start) : try_checkpoint(path, start);
    if (failed.empty()) break;
    if (!plan.may_pass_over) throw SharedError("run.resume: " + failed);
    damaged.push_back(path);
    errors.push_back(failed);
  }
  if (start.from.empty() && !damaged.empty()) {
    throw SharedError(
        fmt::format("run.resume: auto: none of the {} checkpoints in {} can be used; {}",
                    damaged.size(), saver_->folder().path(), errors.front()));
  }
  for (size_t i = 0; i < damaged.size(); ++i) {
    start.notes.push_back("passed over a damaged checkpoint: " + errors[i]);
    if (damaged[i] != kMemory) set_aside(damaged[i], start);
  }
  if (memory_ && !from_memory_) memory_->clear();
  if (comm_.rank() == 0) saver_->folder().sweep(generation_, 0);
  return start;
}

// Otherwise the same step could not be saved again.
void RunCheckpoints::set_aside(const std::string& path, Start& start) {
  if (comm_.rank() != 0) return;
  const CheckpointFolder& folder = saver_->folder();
  for (int64_t step : folder.steps()) {
    if (folder.checkpoint(step) != path) continue;
    start.notes.push_back("it is now called " + folder.set_aside(step));
  }
}

CheckpointInfo RunCheckpoints::info(int64_t position, std::optional<double> valid_loss,
                                    std::optional<std::string> digest) const {
  return {.step = step_.steps_done(),
          .generation = generation_,
          .ranks = comm_.size(),
          .position = position,
          .seed = config_.run.seed,
          .updates = step_.updates_done(),
          .data = data_,
          .next_lr = config_.schedule.as<ScheduleSection>().lr_at(
              step_.steps_done(), config_.run.steps, config_.optim.as<OptimSection>().lr),
          .run = run_,
          .build = build(),
          .strategy = std::string(name(config_.parallel.strategy)),
          .valid_loss = valid_loss,
          .digest = std::move(digest),
          .config = config_text_};
}

// What came out of an update that overflowed must not take the place of what was good.
void RunCheckpoints::require_finite() const {
  std::string parameter = step_.nonfinite_parameter();
  if (parameter.empty()) return;
  throw SharedError(
      fmt::format("step {}: after the update, parameter '{}' or its optimizer state is not finite; "
                  "nothing is saved of that",
                  step_.steps_done(), parameter));
}

void RunCheckpoints::after_step(int64_t position, std::optional<double> valid_loss) {
  const CheckpointConfig& config = config_.checkpoint;
  int64_t step = step_.steps_done();
  bool snapshot = memory_ && step % memory_every_ == 0;
  bool checkpoint = config.every > 0 && step % config.every == 0;
  // This step was finite, and so the weights that it began with were good.
  if (prune_due_ && saver_->prune()) prune_due_ = false;
  if (!snapshot && !checkpoint) return;
  require_finite();
  if (is_bad(valid_loss)) {
    messages_.failed.push_back(
        fmt::format("step {}: nothing was saved, for the validation loss is not finite", step));
    return;
  }
  if (snapshot) {
    std::string failed =
        memory_->take(pieces_to_write(step_.held()), info(position, std::nullopt, std::nullopt));
    if (!failed.empty()) {
      messages_.failed.push_back(
          fmt::format("step {}: no snapshot in memory was taken: {}", step, failed));
    }
  }
  if (checkpoint) {
    saver_->start(pieces_to_write(step_.held()), info(position, valid_loss, std::nullopt),
                  /*replace=*/false);
    prune_due_ = true;
  }
}

std::string RunCheckpoints::save(int64_t position, std::optional<double> valid_loss,
                                 std::optional<std::string> digest) {
  require_finite();
  const CheckpointFolder& folder = saver_->folder();
  bool is_last = digest.has_value();
  bool aside = is_last && is_bad(valid_loss) &&
               folder.files().kind(folder.checkpoint(step_.steps_done())) == FileKind::none;
  // A stopped run has not shown yet that its last update was good.
  bool replace = (is_last || valid_loss) && !is_bad(valid_loss);
  SaveOutcome outcome = saver_->save(pieces_to_write(step_.held()),
                                     info(position, valid_loss, std::move(digest)), replace);
  if (aside && comm_.rank() == 0 && outcome.error.empty()) {
    try {
      outcome.path = folder.set_aside(step_.steps_done());
    } catch (const Error& error) {
      outcome.error = error.what();
    }
  }
  // Nobody reports success before the checkpoint is there.
  std::string failed = first_error(comm_, outcome.error);
  if (failed.empty()) return outcome.path;
  // Nobody writes any more.
  if (comm_.rank() == 0) saver_->folder().sweep(generation_, step_.steps_done() + 1);
  throw SharedError(failed);
}

RunCheckpoints::Messages RunCheckpoints::take_messages() {
  for (const SaveOutcome& outcome : saver_->take_outcomes()) {
    if (outcome.error.empty()) {
      messages_.done.push_back(fmt::format("step {}: checkpoint {} ({:.1f} s)", outcome.step,
                                           outcome.path, outcome.seconds));
    } else {
      messages_.failed.push_back(
          fmt::format("step {}: no checkpoint was saved: {}", outcome.step, outcome.error));
    }
  }
  return std::exchange(messages_, {});
}

}  // namespace tessera::experiment
