// What a run leaves behind.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

namespace tessera::experiment {

// Whether a file is made or goes on.
enum class LineFileMode { create, extend };

// A text file that grows a line at a time. Every line is in the file when append returns; a failed
// write throws Error naming the path, and takes back the part of the line that was written.
class LineFile {
 public:
  // The file must not exist yet, unless it is to be extended; then a last line that was cut off is
  // ended first.
  explicit LineFile(std::string path, LineFileMode mode = LineFileMode::create);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  void append(const std::string& line);

 private:
  std::string path_;
  int descriptor_;
  off_t size_ = 0;  // of the whole lines, in bytes
};

// The folder of one run: config.yaml, metrics.jsonl, checkpoints/, log/rank-K.txt.
class RunDirectory {
 public:
  // dir, or runs/NAME/TIME when it is empty (TIME like 20260102-030405, with -2, -3, ... where it
  // is taken). A folder that holds a run already is an error.
  static std::string create(const std::string& dir, const std::string& name);

  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string config() const { return path_ + "/config.yaml"; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string checkpoints() const { return path_ + "/checkpoints"; }
  std::string log(int rank) const;
  // The id of the launcher's job that began the run; a file with it, where there was one.
  std::string job() const { return path_ + "/log/job"; }
  // Held by the ranks of the job that is at work in the folder (run_lock.h).
  std::string lock() const { return path_ + "/log/lock"; }
  // Whether there is a run in it.
  bool holds_run() const;

  // Leaves only the whole records of steps up to `step` in metrics.jsonl, a line each, for a run
  // that goes on there.
  void cut_metrics(int64_t step) const;

 private:
  std::string path_;
};

}  // namespace tessera::experiment
