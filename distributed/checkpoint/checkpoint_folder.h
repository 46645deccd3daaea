// The checkpoints of a run, side by side in one folder:
//
//   step-00000100/               complete: this name alone says so
//     rank-0-of-2.safetensors    what rank 0 wrote
//     rank-0-of-2.json           the list of it
//     manifest.json              the list of everything
//   step-00000200.g3.partial/    being written in generation 3 of the run, or left from a failure
//   latest, best                 the names of two complete ones, for people and scripts
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/io/file_system.h"
#include "distributed/checkpoint/part.h"

namespace tessera {

// What makes a checkpoint better than another, of those that say it.
struct BestBy {
  std::string metric = {};        // one of CheckpointInfo::metrics; empty: valid_loss
  bool higher_is_better = false;  // of the metric
};

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::string path, FileSystem& files = FileSystem::real(),
                            BestBy best_by = {})
      : path_(std::move(path)), files_(files), best_by_(std::move(best_by)) {}

  const std::string& path() const { return path_; }
  FileSystem& files() const { return files_; }

  // Steps of the complete checkpoints, newest first. None where there is no folder.
  std::vector<int64_t> steps() const;
  std::string checkpoint(int64_t step) const;
  // One more than the generation of anything in the folder; 0 for an empty one.
  int64_t next_generation() const;

  // Writes a rank's part of a checkpoint that is not complete yet.
  void write_part(const Part& part, const CheckpointInfo& info, int64_t rank,
                  ChecksumKind kind) const;
  // Tells who waits for the parts that this rank's will not come. Never throws.
  void report_failure(const CheckpointInfo& info, int64_t rank,
                      const std::string& error) const noexcept;
  // Removes what is there of a checkpoint that is not complete, as far as possible.
  void abandon(const CheckpointInfo& info) const noexcept;
  // Waits until every rank's part is there, and makes the checkpoint complete: its name appears at
  // once, and it survives a loss of power when this returns. One that is there already stays. An
  // Error, naming the rank, when a part does not come within `timeout` or its rank reports a
  // failure; what is there of the checkpoint is removed then, as far as possible.
  // Once `hurry` is true, where it is given, it waits for three more seconds at most.
  void complete(const CheckpointInfo& info, std::chrono::milliseconds timeout,
                const std::atomic<bool>* hurry = nullptr) const;

  // Waits on another rank, whose part is written, until rank 0 has completed the checkpoint or
  // given it up, but no longer than `timeout`.
  void wait_until_settled(const CheckpointInfo& info, std::chrono::milliseconds timeout) const;

  // Removes what failed saves left: of older generations, and of this one before `step`. Only rank
  // 0 does, between its own saves.
  void sweep(int64_t generation, int64_t step) const;
  // Removes all complete checkpoints but the newest `keep` and, if asked, the best one; `latest`
  // and `best` follow.
  void prune(int64_t keep, bool keep_best) const;
  // Renames a complete checkpoint that cannot be read, so that it is none any more, and returns its
  // new name.
  std::string set_aside(int64_t step) const;

 private:
  std::string partial(const CheckpointInfo& info) const;
  void wait_for_parts(const CheckpointInfo& info, std::chrono::milliseconds timeout,
                      const std::atomic<bool>* hurry) const;
  Manifest read_parts(const CheckpointInfo& info) const;
  std::optional<int64_t> best_step(const std::vector<int64_t>& steps) const;
  void point(const char* name, int64_t step) const;
  void repoint_without(int64_t step) const;
  void remove_complete(int64_t step) const;

  std::string path_;
  FileSystem& files_;
  BestBy best_by_;
};

}  // namespace tessera
