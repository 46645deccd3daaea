// A log that a run can do without.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/experiment/run_directory.h"

namespace tessera::experiment {

// A LineFile that does not end the run: a line that cannot be written is lost. The first is told on
// standard error with its cause, and every further line is tried again, so that a disk that was
// full for a while costs what fell into that while.
class LenientFile {
 public:
  // An Error where the file cannot be made. `who` begins what is told, "rank 3: "; or empty.
  LenientFile(std::string path, LineFileMode mode, std::string who);

  void append(const std::string& line);
  // The one line that the run is not complete without: an Error where it cannot be written.
  void append_or_fail(const std::string& line) { file_.append(line); }
  int64_t num_lost() const { return num_lost_; }

 private:
  LineFile file_;
  std::string who_;
  int64_t num_lost_ = 0;
};

}  // namespace tessera::experiment
