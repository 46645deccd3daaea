// The checkpoints of a training loop: saving them as it goes, keeping some, and going on from one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "distributed/checkpoint/checkpoint_saver.h"
#include "distributed/checkpoint/memory_snapshots.h"
#include "distributed/train_step.h"

namespace tessera {

// Snapshots in memory, which outlive the ranks (memory_snapshots.h): a restart of the ranks goes on
// from the newest without reading a disk.
struct SnapshotOptions {
  std::string folder = {};   // in shared memory, /dev/shm/NAME say; empty: no snapshots are taken
  int64_t every = 1;         // steps from one to the next
  bool peer_copies = false;  // each on another node too
};

// What is the loop's own of a checkpoint's CheckpointInfo: seed, data, next_lr, run, build,
// strategy, config, loop. The rest is filled in.
using DescribeRun = std::function<CheckpointInfo()>;
// Throws an Error, beginning with `what`, where the loop cannot go on from such a checkpoint; else
// returns a line for each thing that is not as it was. The same on every rank.
using AcceptCheckpoint =
    std::function<std::vector<std::string>(const CheckpointInfo& info, const std::string& what)>;

struct CheckpointerOptions {
  // Steps from one checkpoint to the next, which after_step saves; 0: none but those of save().
  int64_t every = 0;
  // Complete checkpoints that stay, newest first; one more until an update after the newest was
  // finite.
  int64_t keep = 2;
  // And the one with the lowest metric of those that were saved with one; or the best by one of
  // their Point::metrics.
  bool keep_best = false;
  BestBy best_by = {};
  // Of every piece of every file: xxh3 finds accidents, sha256 forgery too and is slower.
  ChecksumKind checksum = ChecksumKind::xxh3;
  // Whether after_step only copies the state, and a thread writes the copy while training goes on;
  // else it returns when the checkpoint is complete.
  bool background = true;
  // What becomes of a failed save of after_step: training goes on, and take_messages says it; or
  // the next save that is due is a SharedError on every rank. What save() fails at always is one.
  bool failures_end_training = false;
  SnapshotOptions snapshots = {};
  DescribeRun describe = {};     // empty: nothing of the loop's own is kept
  AcceptCheckpoint accept = {};  // empty: each whose tensors are those of the training state
};

// Where a loop begins.
struct ResumeFrom {
  // Checkpoints to be tried in this order, the same on every rank; none: the beginning.
  std::vector<std::string> checkpoints = {};
  // Whether one that is damaged may be passed over for the next, and a snapshot in memory taken
  // that is newer than the next.
  bool may_pass_over = false;
  // Begins errors about them.
  std::string what = "resume";
};

// A loop of one's own:
//
//   Checkpointer checkpoints(step, "checkpoints", {.every = 100});
//   int64_t position = checkpoints.resume_latest().position;
//   while (step.steps_done() < kSteps) {
//     step.run(lr, loss_of_leaf);
//     position += kBatch;
//     checkpoints.after_step({.position = position});
//   }
//   checkpoints.save({.position = position});
//
// Every rank makes one and makes the same calls; each method but take_messages and is_due is a
// collective of step.mesh().control(). To be used by the thread that runs the step. Whatever is
// killed, and when, the checkpoint before or the new one is complete. Its destructor waits for the
// save under way.
class Checkpointer {
 public:
  // What is known where a checkpoint is taken.
  struct Point {
    int64_t position = 0;                    // in the data: samples taken
    std::optional<double> metric = {};       // lower is better: a validation loss
    std::vector<NamedNumber> metrics = {};   // others, for BestBy and people
    std::optional<std::string> digest = {};  // of the model, where it is known (core/digest.h)
    bool last = false;                       // nothing goes on after it
  };
  struct Start {
    int64_t step = 0;                // steps done
    int64_t position = 0;            // Point::position
    std::string loop = {};           // CheckpointInfo::loop
    std::string from;                // empty: the beginning
    std::vector<std::string> notes;  // what the user should know: what was passed over, and why
  };

  // The folder is made where it is missing, and belongs to one loop at a time. A SharedError when
  // some rank does not see it. step outlives this.
  Checkpointer(TrainStep& step, const std::string& folder, CheckpointerOptions options = {});

  // Puts the training state where `from` says, before the first step. A SharedError, by which the
  // state may have become part of that of a checkpoint, where none of them can be used.
  Start resume(const ResumeFrom& from);
  // From the newest checkpoint of the folder that is not damaged; from the beginning where there is
  // none.
  Start resume_latest();

  // What is due after a step; a snapshot that cannot be taken is told by take_messages. A
  // SharedError, and nothing is saved, where the state is not finite; where the metric is not,
  // nothing is saved of this step.
  void after_step(const Point& point);
  // Whether after_step() has anything to do with this step: a loop that ends where a step was not
  // finite asks before it.
  bool is_due() const { return prune_due_ || snapshot_due() || checkpoint_due(); }
  // Saves now, waiting for what is under way, and returns the checkpoint's path when it is
  // complete. A SharedError on every rank if it fails on one, or if the state is not finite. The
  // last one, where its metric is not finite, is set aside, so that nothing goes on from it.
  std::string save(const Point& point);
  // Waits for the save that is under way in the background.
  void wait() { saver_->wait(); }
  // What to tell of saves by after_step that ended since the last call, and of snapshots; on this
  // rank.
  struct Messages {
    std::vector<std::string> done;
    std::vector<std::string> failed;
  };
  Messages take_messages();

  const CheckpointFolder& folder() const { return saver_->folder(); }

 private:
  bool checkpoint_due() const;
  bool snapshot_due() const;
  void begin_generation(const std::string& folder);
  void check_visible();
  std::vector<std::string> candidates(const ResumeFrom& from);
  // These return what is wrong with it, the same on every rank; or nothing, and then it is loaded.
  std::string try_memory(Start& start);
  std::string try_checkpoint(const std::string& path, Start& start);
  std::vector<std::string> check_fits(const Manifest& manifest, const std::string& what) const;
  void begin_at(const CheckpointInfo& info, const std::string& from, std::vector<std::string> notes,
                Start& start);
  void set_aside(const std::string& path, Start& start);
  void require_finite() const;
  void require_earlier();
  void take_snapshot(const Point& point);
  void begin_save(const Point& point);
  void take(const SaveOutcome& outcome);
  void take_outcomes();
  CheckpointInfo info(const Point& point) const;

  TrainStep& step_;
  Communicator& comm_;
  CheckpointerOptions options_;
  int64_t generation_ = 0;
  std::optional<CheckpointSaver> saver_;
  std::optional<MemorySnapshots> memory_;
  bool from_memory_ = false;
  bool prune_due_ = false;     // once another update was finite
  int64_t updates_saved_ = 0;  // of the newest checkpoint
  std::string failure_;        // of saves by after_step on this rank, the first
  Messages messages_;
};

}  // namespace tessera
