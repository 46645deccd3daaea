#include "distributed/checkpoint/checkpoint_saver.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "core/signals.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// Training goes first.
constexpr int kNice = 10;

}  // namespace

CheckpointSaver::CheckpointSaver(CheckpointFolder folder, int rank, SaveOptions options)
    : folder_(std::move(folder)), rank_(rank), options_(options), thread_([this] { run(); }) {}

CheckpointSaver::~CheckpointSaver() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CheckpointSaver::run() {
  SignalsBlocked blocked;
  // Of this thread alone, on Linux.
  [[maybe_unused]] int ignored = setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return job_ || ending_; });
    if (!job_) return;
    Job job = std::move(*job_);
    job_.reset();
    lock.unlock();
    std::optional<SaveOutcome> outcome;
    if (job.only_prune) prune_quietly();
    else outcome = write(std::move(job));
    lock.lock();
    if (outcome) outcomes_.push_back(std::move(*outcome));
    busy_ = false;
    changed_.notify_all();
  }
}

std::chrono::milliseconds CheckpointSaver::patience(const Job& job) const {
  auto own = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - job.start);
  return std::max(options_.timeout, 10 * own);
}

SaveOutcome CheckpointSaver::write(Job job) const {
  SaveOutcome outcome{job.info.step, folder_.checkpoint(job.info.step), 0, ""};
  try {
    if (rank_ == 0) folder_.sweep(job.info.generation, job.info.step);
    Part part(std::move(job.pieces), job.info, part_name(rank_, job.info.ranks, ".safetensors"));
    folder_.write_part(part, job.info, rank_, options_.checksum);
    if (rank_ == 0) {
      folder_.complete(job.info, patience(job), &ending_);
      folder_.prune(options_.keep + (job.replace ? 0 : 1), options_.keep_best);
    }
  } catch (const std::exception& error) {
    outcome.error = error.what();
    if (rank_ == 0) folder_.abandon(job.info);
    else folder_.report_failure(job.info, rank_, outcome.error);
  }
  outcome.seconds = std::chrono::duration<double>(Clock::now() - job.start).count();
  return outcome;
}

void CheckpointSaver::start(std::span<const Piece> pieces, const CheckpointInfo& info,
                            bool replace) {
  wait();
  begin({copies_in(copies_, pieces), info, Clock::now(), replace});
}

void CheckpointSaver::begin(Job job) {
  {
    std::lock_guard lock(mutex_);
    job_ = std::move(job);
    busy_ = true;
  }
  changed_.notify_all();
}

bool CheckpointSaver::prune() {
  {
    std::lock_guard lock(mutex_);
    if (busy_) return false;
  }
  if (rank_ != 0) return true;
  Job job;
  job.only_prune = true;
  begin(std::move(job));
  return true;
}

// What cannot be removed now is tried again with the next save.
void CheckpointSaver::prune_quietly() const noexcept {
  try {
    folder_.prune(options_.keep, options_.keep_best);
  } catch (const std::exception&) {
  }
}

SaveOutcome CheckpointSaver::save(std::span<const Piece> pieces, const CheckpointInfo& info,
                                  bool replace) {
  wait();
  Job job{{pieces.begin(), pieces.end()}, info, Clock::now(), replace};
  SaveOutcome outcome = write(job);
  if (rank_ != 0 && outcome.error.empty()) folder_.wait_until_settled(info, patience(job));
  return outcome;
}

void CheckpointSaver::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !busy_; });
}

std::vector<SaveOutcome> CheckpointSaver::take_outcomes() {
  std::lock_guard lock(mutex_);
  return std::exchange(outcomes_, {});
}

}  // namespace tessera
