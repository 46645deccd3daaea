// What ranks write: to the user with the rank in front of every line, and to files.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/descriptor.h"

namespace tessera::agent {

// A thread of its own reads and writes, so that a user who does not read holds back the ranks only.
class RankOutput {
 public:
  struct Options {
    // "[3] " in front of the lines of rank 3.
    bool prefixed = true;
    // rank-K.out and rank-K.err go there as well; empty: nowhere.
    std::string folder;
    int out = 1;
    int err = 2;
  };

  explicit RankOutput(Options options);
  // Waits for what was read to be written.
  ~RankOutput();
  RankOutput(const RankOutput&) = delete;
  RankOutput& operator=(const RankOutput&) = delete;

  // Reads a rank's streams until their ends; what the rank wrote in an earlier generation is
  // forgotten. An Error where the files cannot be made.
  void add(int rank, Descriptor out, Descriptor err);
  // The last lines of the rank's standard error, as far as they have been read.
  std::string stderr_tail(int rank) const;
  // Waits for the end of the rank's standard error, which its exit may overtake.
  void wait_for_stderr(int rank, int wait_ms);
  // Whether all streams came to their ends within that time, and are written.
  bool wait_for_ends(int wait_ms);
  // Gives up streams that somebody still holds open.
  void drop_all();

 private:
  struct Stream {
    int rank;
    bool is_error;
    Descriptor source;
    Descriptor file;
    std::string partial;
  };

  void run();
  std::vector<std::shared_ptr<Stream>> streams() const;
  bool read_some(Stream& stream);
  void write_lines(Stream& stream, bool at_end);
  Descriptor open_file(int rank, bool is_error) const;

  Options options_;
  Descriptor wake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::map<int, std::deque<std::string>> tails_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tessera::agent
