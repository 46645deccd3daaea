// Connections without an admitted call, and what they may keep of a server. Those that go without
// any call, whether they scan ports, babble or have no certificate, count as refused.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace tessera::rendezvous {

// There may be only so many strangers; when one more comes, the one that has been there longest has
// to go if it had its chance, and the newcomer if not. Nor may a stranger send without end: gRPC
// 1.51 takes headers of any length, and looks at all of one again for each piece that comes.
// For all threads.
class Strangers {
 public:
  // A first call is smaller: a value of 1 MiB is the largest that there is.
  static constexpr uint64_t kMaxBytes = uint64_t{2} << 20;

  // How many there may be; none before the first call.
  void allow(size_t most) { most_ = most; }
  // Whether the connection from there may stay. The descriptor is looked at as long as it is this
  // connection's.
  bool add(const std::string& peer, int descriptor);
  // The one from there is no stranger any more.
  void admit(const std::string& peer);
  // The one from there has made a call, which was of no interest here, or was refused and counted.
  void note_call(const std::string& peer);

  // Cuts off those that have sent too much, and forgets those that have gone.
  void watch();
  // Milliseconds until it is time for that again; -1 where there is nobody to watch.
  int until_watch();

  // How many had to go, or went without a call.
  uint64_t num_refused() const { return num_refused_; }

 private:
  // An open socket of this process; its inode tells it from a later one of the same number.
  struct Stranger {
    std::string peer;
    int descriptor;
    ino_t inode;
    int64_t since_ms;
    bool has_called = false;
  };

  bool make_room();
  bool forget_gone();
  // Whether the connection has ended, and counts.
  bool has_gone(const Stranger& stranger);
  void cut_off(const Stranger& stranger);

  std::atomic<size_t> most_ = 0;
  std::atomic<uint64_t> num_refused_ = 0;
  std::mutex mutex_;
  // Also some that have ended since.
  std::deque<Stranger> strangers_;
  int64_t looked_at_ms_ = 0;
  int64_t watched_at_ms_ = 0;
};

}  // namespace tessera::rendezvous
