// What is wrong with the content of arrays, an index outside of a table, say: kernels find it, and
// the host hears of it when it waits next.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace tessera::cuda {

// The earliest error of a stream's kernels, in memory that the host and the device see.
struct ContentError {
  unsigned lock;
  unsigned long long check;  // its number; 0: there is none
  long long position;        // the first one of that check
  long long value;           // what is there
};

// Where a kernel reports what it found (content_errors.cuh).
struct Report {
  ContentError* error;
  unsigned long long check;
};

// The checks of one stream. All functions may be called from any thread.
class ContentChecks {
 public:
  // What is wrong, in words, from the first position where it is, and the value there.
  using Text = std::function<std::string(int64_t position, int64_t value)>;

  ContentChecks();
  // Of a kernel that is about to be launched. Its error names the module and the place of the call
  // that is under way now.
  Report add(Text text);
  // Where their kernels report.
  ContentError* error() const { return error_.get(); }
  // How many checks were added so far, and how many of them may still find something.
  uint64_t added() const;
  size_t open() const;
  // When the kernels of the first `count` checks are done: forgets these, unless one of them found
  // an error. Then the text has to be taken, once all that the stream was given is done.
  bool any(uint64_t count);
  // The error of the first `count` checks, which are forgotten: its text and place; nothing where
  // there is none, or somebody else took it.
  std::optional<std::string> take(uint64_t count);

 private:
  struct Check {
    Text text;
    std::string place;
  };

  mutable std::mutex mutex_;
  std::shared_ptr<ContentError> error_;
  uint64_t added_ = 0;
  std::map<uint64_t, Check> open_;  // by number
};

}  // namespace tessera::cuda
