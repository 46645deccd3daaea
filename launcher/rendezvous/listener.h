// Accepts the connections of a server, and never more than it can bear: gRPC's own listener takes
// whatever comes, and stops for good when the process has no descriptors left.
//
// Whoever connects is a stranger until a call of it was admitted. There may be only so many
// strangers; when one more comes, the one that has been there longest has to go if it had its
// chance, and the newcomer if not.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/descriptor.h"

namespace tessera::rendezvous {

class Listener {
 public:
  // Listens at all addresses of that name or literal address; port 0: at any free one. An Error
  // where it cannot.
  Listener(const std::string& host, int port);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int port() const { return port_; }
  // From now on `take` gets every connection, in a thread of the listener. To be called once.
  void start(std::function<void(Descriptor)> take);
  // What comes later is not accepted.
  void stop();

  // How many strangers there may be; none before the first call.
  void allow(size_t most_strangers) { most_strangers_ = most_strangers; }
  // The connection from there, by gRPC's name for it, is no stranger any more.
  void admit(const std::string& peer);
  // Connections that had to go.
  uint64_t num_refused() const { return num_refused_; }

 private:
  // An open socket of this process; its inode tells it from a later one of the same number.
  struct Stranger {
    std::string peer;
    int descriptor;
    ino_t inode;
    int64_t since_ms;
  };

  void run(const std::function<void(Descriptor)>& take);
  void accept_some(int socket, const std::function<void(Descriptor)>& take);
  // Whether the connection from there may stay.
  bool add(const std::string& peer, int descriptor);
  bool add_after_wait(const std::string& peer, int descriptor);
  bool make_room();
  bool forget_gone();

  std::vector<Descriptor> sockets_;
  int port_ = 0;
  Descriptor stop_;  // readable when it is time
  int most_descriptors_;
  std::atomic<size_t> most_strangers_ = 0;
  std::atomic<uint64_t> num_refused_ = 0;
  std::mutex mutex_;
  // Also some that have ended since.
  std::deque<Stranger> strangers_;
  int64_t looked_at_ms_ = 0;
  int64_t waited_at_ms_ = 0;  // in vain
  std::thread thread_;
};

}  // namespace tessera::rendezvous
