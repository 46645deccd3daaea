// Saving while training goes on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "distributed/checkpoint/checkpoint_folder.h"

namespace tessera {

struct SaveOptions {
  int64_t keep = 2;        // complete checkpoints, newest first
  bool keep_best = false;  // and the best one (BestBy)
  ChecksumKind checksum = ChecksumKind::xxh3;
  // How long rank 0 waits for the other ranks' parts when its own is written, or ten times as long
  // as that took.
  std::chrono::milliseconds timeout = std::chrono::minutes(2);
};

// How a save ended on this rank: on rank 0 with the checkpoint complete, elsewhere with its part
// written; or with an error, and then what was there before is untouched.
struct SaveOutcome {
  int64_t step = 0;
  std::string path;
  double seconds = 0;  // from the call on
  std::string error;   // empty: it worked
};

// One rank's saves, one at a time. No collective: every rank calls the same saves in the same
// order, and rank 0 completes a checkpoint when all parts are there. To be used by one thread.
class CheckpointSaver {
 public:
  CheckpointSaver(CheckpointFolder folder, int rank, SaveOptions options);
  // Waits for the save that is under way; for other ranks, which may be gone, a few seconds only.
  ~CheckpointSaver();
  CheckpointSaver(const CheckpointSaver&) = delete;
  CheckpointSaver& operator=(const CheckpointSaver&) = delete;

  // Copies the pieces, and writes the copies in a thread of its own. Waits for the save before,
  // whose copies take the same memory. Where it does not `replace` an older one, one more than
  // SaveOptions::keep stay.
  void start(std::span<const Piece> pieces, const CheckpointInfo& info, bool replace = true);
  // Writes the pieces themselves, and returns how that ended, for all ranks at about the same time:
  // another waits for rank 0 to complete the checkpoint or give it up.
  SaveOutcome save(std::span<const Piece> pieces, const CheckpointInfo& info, bool replace = true);
  // Has rank 0 remove, in the thread, what is more than SaveOptions::keep: to be called when the
  // newest one is known to be good. Returns whether that is under way; not while a save is.
  bool prune();
  // Waits for the save that is under way.
  void wait();
  // Of saves that ended since the last call.
  std::vector<SaveOutcome> take_outcomes();

  const CheckpointFolder& folder() const { return folder_; }

 private:
  struct Job {
    std::vector<Piece> pieces;
    CheckpointInfo info;
    std::chrono::steady_clock::time_point start;
    bool replace = false;
    bool only_prune = false;
  };

  void run();
  void begin(Job job);
  void prune_quietly() const noexcept;
  SaveOutcome write(Job job) const;
  // How long other ranks may take now.
  std::chrono::milliseconds patience(const Job& job) const;

  CheckpointFolder folder_;
  int rank_;
  SaveOptions options_;
  Array copies_;  // of the save that is under way; its memory stays for the next one
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Job> job_;
  bool busy_ = false;
  std::atomic<bool> ending_ = false;
  std::vector<SaveOutcome> outcomes_;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace tessera
