#include "launcher/experiment/start_plan.h"

#include <filesystem>

#include "distributed/checkpoint/checkpoint_folder.h"
#include "launcher/experiment/config/nearest.h"
#include "launcher/experiment/formats/model_source.h"
#include "launcher/experiment/run_directory.h"

namespace tessera::experiment {
namespace {

namespace fs = std::filesystem;

// What stands between the parts of a plan's text; no path has it.
constexpr char kSeparator = '\n';
constexpr uint64_t kMaxJobBytes = 256;

bool holds_run(const std::string& directory) { return RunDirectory(directory).holds_run(); }

// The newest run of that name; empty if there is none.
std::string newest_run(const std::string& name) {
  FileSystem& files = FileSystem::real();
  std::string base = "runs/" + name;
  std::string newest;
  fs::file_time_type newest_time;
  if (!files.is_directory(base)) return newest;
  for (const std::string& run : files.list(base)) {
    std::string directory = fmt::format("{}/{}", base, run);
    if (!holds_run(directory)) continue;
    std::error_code error;
    auto time = fs::last_write_time(RunDirectory(directory).metrics(), error);
    if (error) time = fs::last_write_time(RunDirectory(directory).config(), error);
    if (error || (!newest.empty() && time < newest_time)) continue;
    newest = directory;
    newest_time = time;
  }
  return newest;
}

std::vector<std::string> checkpoints_in(const std::string& directory) {
  CheckpointFolder folder(RunDirectory(directory).checkpoints());
  std::vector<std::string> paths;
  for (int64_t step : folder.steps()) paths.push_back(folder.checkpoint(step));
  return paths;
}

// A folder for a new run. Two jobs may ask for one folder at once: the lock decides, and then
// whether a run has begun in it meanwhile.
std::string create_locked(const RunConfig& config, const job::LaunchedJob& job, RunLock& lock) {
  std::string directory = RunDirectory::create(config.dir.value_or(""), config.name);
  lock = RunLock::take(directory, job);
  TESSERA_CHECK(!holds_run(directory), "{}: there is a run in this folder already", directory);
  return directory;
}

StartPlan plan_automatic(const RunConfig& config, const job::LaunchedJob& job, RunLock& lock) {
  std::string directory = config.dir.value_or(newest_run(config.name));
  bool is_new = directory.empty() || !holds_run(directory);
  if (is_new) directory = RunDirectory::create(config.dir.value_or(""), config.name);
  lock = RunLock::take(directory, job);
  // Another job may have begun it while this one waited.
  if (!holds_run(directory)) return {directory, false, {}, false};
  return {directory, true, checkpoints_in(directory), true};
}

}  // namespace

std::string checkpoint_to_resume(const std::string& path) {
  if (path.find('/') == path.npos && FileSystem::real().kind(path) == FileKind::none) {
    const std::vector<std::string> words{kResumeNone, kResumeAuto};
    throw ConfigError(fmt::format("run.resume: {}: there is no such file or folder{}",
                                  job::in_quotes(path),
                                  suggestion(path, words, "beside paths, it may be")));
  }
  std::string resolved = resolve_checkpoint(path);
  TESSERA_CHECK(
      is_checkpoint(resolved),
      "run.resume: {}: not a checkpoint of a run; init.from takes weights from other files", path);
  return resolved;
}

namespace {

bool began(const job::LaunchedJob& job, const std::string& directory) {
  std::string path = RunDirectory(directory).job();
  FileSystem& files = FileSystem::real();
  if (files.kind(path) != FileKind::file) return false;
  std::vector<std::byte> bytes = files.read(path, kMaxJobBytes);
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == job.id;
}

// The folder of the run that this job began; empty if there is none.
std::string begun_run(const RunConfig& config, const job::LaunchedJob& job) {
  if (config.dir) return began(job, *config.dir) ? *config.dir : "";
  std::string base = "runs/" + config.name;
  if (!FileSystem::real().is_directory(base)) return "";
  for (const std::string& name : FileSystem::real().list(base)) {
    std::string directory = fmt::format("{}/{}", base, name);
    if (began(job, directory)) return directory;
  }
  return "";
}

StartPlan plan_again(const RunConfig& config, const std::string& directory) {
  StartPlan plan{directory, holds_run(directory), checkpoints_in(directory), true};
  bool from_path = config.resume != kResumeNone && config.resume != kResumeAuto;
  if (from_path) plan.checkpoints.push_back(checkpoint_to_resume(config.resume));
  return plan;
}

void mark(const std::string& directory, const job::LaunchedJob& job) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(job.id));
  FileSystem::real().write_atomically(RunDirectory(directory).job(), std::span(&bytes, 1));
}

StartPlan plan_first(const RunConfig& config, const job::LaunchedJob& job, RunLock& lock) {
  if (config.resume == kResumeAuto) return plan_automatic(config, job, lock);
  std::vector<std::string> checkpoints;
  bool continues = false;
  if (config.resume != kResumeNone) {
    std::string path = checkpoint_to_resume(config.resume);
    checkpoints.push_back(path);
    std::error_code error;
    fs::path run = fs::weakly_canonical(path, error).parent_path().parent_path();
    continues = !error && config.dir && holds_run(*config.dir) &&
                fs::weakly_canonical(*config.dir, error) == run;
  }
  if (!continues) return {create_locked(config, job, lock), false, checkpoints, false};
  lock = RunLock::take(*config.dir, job);
  return {*config.dir, true, checkpoints, false};
}

}  // namespace

StartPlan plan_start(const RunConfig& config, const job::LaunchedJob& job, RunLock& lock) {
  if (job.begun()) {
    std::string directory = begun_run(config, job);
    if (!directory.empty()) {
      lock = RunLock::take(directory, job);
      return plan_again(config, directory);
    }
  }
  StartPlan plan = plan_first(config, job, lock);
  if (!job.id.empty()) mark(plan.directory, job);
  return plan;
}

std::string to_text(const StartPlan& plan) {
  std::string text = plan.directory + kSeparator;
  text +=
      fmt::format("{}{}{}{}", int{plan.continues}, kSeparator, int{plan.may_pass_over}, kSeparator);
  for (const std::string& path : plan.checkpoints) text += path + kSeparator;
  return text;
}

StartPlan start_plan_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find(kSeparator, begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  TESSERA_ASSERT(lines.size() >= 3);
  return {lines[0], lines[1] == "1", {lines.begin() + 3, lines.end()}, lines[2] == "1"};
}

}  // namespace tessera::experiment
