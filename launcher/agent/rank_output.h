// What ranks write: to the user with the rank in front of every line, and to files.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/descriptor.h"

namespace tessera::agent {

// A thread of its own reads and writes, so that a user who does not read holds back the ranks only.
// Bytes arrive as they came, but for the ranks in front of lines, and for a newline where a line
// that has none yet is followed by another's.
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
  // Waits for what was read to be written, as far as it is taken within a moment.
  ~RankOutput();
  RankOutput(const RankOutput&) = delete;
  RankOutput& operator=(const RankOutput&) = delete;

  // Reads a rank's streams until their ends; what the rank wrote in an earlier generation is
  // forgotten. An Error where the files cannot be made.
  void add(int rank, Descriptor out, Descriptor err);
  // A line of the agent's own to standard error. Does not wait.
  void say(std::string line);
  // From now on what the user does not take within a moment is dropped, so that the ranks are not
  // held back: they have to stop.
  void hurry();
  // The last lines of the rank's standard error, as far as they have been read.
  std::string stderr_tail(int rank) const;
  // Waits for the end of the rank's standard error, which its exit may overtake.
  void wait_for_stderr(int rank, int wait_ms);
  // Whether all streams came to their ends within that time, and all is written.
  bool wait_for_ends(int wait_ms);
  // Whether it is the user who holds that up.
  bool waits_for_reader() const { return waits_for_reader_; }
  // Gives up streams that somebody still holds open.
  void drop_all();
  // What could not be written and why, "standard output: No space left on device"; empty: nothing,
  // or only what no reader is there for any more.
  std::string trouble() const;

 private:
  using Clock = std::chrono::steady_clock;

  // Where lines of several streams meet.
  struct Sink {
    int descriptor;
    std::string name;
    uint64_t open_line = 0;  // the stream whose last line has no end yet; 0: none
    Clock::time_point written{};
    bool stuck = false;  // its reader did not take anything for a moment
  };
  struct Stream {
    uint64_t id;
    int rank;
    bool is_error;
    Descriptor source;
    Descriptor file;
    std::string partial;
    bool tail_open = false;  // the last line that was kept has no end yet
  };

  void run();
  std::vector<std::shared_ptr<Stream>> streams() const;
  std::vector<std::string> take_messages();
  bool waits_for_line(const Stream& stream) const;
  bool read_some(Stream& stream);
  void write_lines(Stream& stream, bool at_end);
  void write_line(Stream& stream, std::string_view line, bool whole, std::string& text);
  void write_messages();
  void keep_tail(Stream& stream, std::string_view line, bool whole);
  void write_all(Sink& sink, std::string_view text, bool matters = true);
  bool wait_for_room(Sink& sink);
  void note_trouble(const std::string& name, const std::string& reason);
  Descriptor open_file(int rank, bool is_error) const;
  Sink& sink_of(const Stream& stream) { return stream.is_error ? err_ : out_; }
  const Sink& sink_of(const Stream& stream) const { return stream.is_error ? err_ : out_; }

  Options options_;
  Descriptor wake_;
  // The thread's own.
  Sink out_;
  Sink err_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::vector<std::string> messages_;
  uint64_t last_id_ = 0;
  std::map<int, std::deque<std::string>> tails_;
  std::string trouble_;
  bool telling_ = false;  // messages are being written
  bool stopping_ = false;
  std::atomic<bool> hurried_ = false;
  std::atomic<bool> waits_for_reader_ = false;
  std::thread thread_;
};

}  // namespace tessera::agent
