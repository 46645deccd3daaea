// A run's folder belongs to one job at a time.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "launcher/job/launched_job.h"

namespace tessera::experiment {

// Every rank of a job keeps a lock on a file of the run's folder for as long as it lives: the
// kernel, or the server of a network file system, takes it back when the process ends in whatever
// way. Of a folder whose file system knows no locks, only a job on the same node is noticed.
class RunLock {
 public:
  // Holds nothing.
  RunLock();
  ~RunLock();
  RunLock(RunLock&&) noexcept;
  RunLock& operator=(RunLock&&) noexcept;

  // Longer than the ranks of an agent that was killed live on: the lease of the rendezvous, 4 s.
  static constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(6);

  // Rank 0's: the folder, which exists, becomes this job's. Waits that long for a job that is
  // ending; then an Error that says who holds it. Ranks that `tessera launch` has started again
  // share it with those of their own job that are not gone yet.
  static RunLock take(const std::string& directory, const job::LaunchedJob& job,
                      std::chrono::milliseconds patience = kPatience);
  // Another rank's, once rank 0 has it. Holds nothing where that cannot be: rank 0's counts.
  static RunLock share(const std::string& directory);

 private:
  class File;
  explicit RunLock(std::unique_ptr<File> file);
  std::unique_ptr<File> file_;
};

}  // namespace tessera::experiment
