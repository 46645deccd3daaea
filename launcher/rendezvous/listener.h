// Accepts the connections of a server, and never more than it can bear: gRPC's own listener takes
// whatever comes, and stops for good when the process has no descriptors left. Whoever connects is
// a stranger until a call of it was admitted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/descriptor.h"
#include "launcher/rendezvous/strangers.h"

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
  // From now on `take` gets every connection, in a thread of its own: what gRPC does in there may
  // last as long as the other side sends. To be called once.
  void start(std::function<void(Descriptor)> take);
  // What comes later is not accepted.
  void stop();

  // How many strangers there may be; none before the first call.
  void allow(size_t most_strangers) { strangers_.allow(most_strangers); }
  // The connection from there, by gRPC's name for it, is no stranger any more.
  void admit(const std::string& peer) { strangers_.admit(peer); }
  // It stays one, but will not count as refused when it goes.
  void note_call(const std::string& peer) { strangers_.note_call(peer); }
  // Connections that had to go, or went without a call.
  uint64_t num_refused() const { return num_refused_ + strangers_.num_refused(); }

 private:
  void accept_all();
  void accept_some(int socket);
  // Whether the connection from there may stay.
  bool add(const std::string& peer, int descriptor);
  bool add_after_wait(const std::string& peer, int descriptor);
  void hand_on(Descriptor connection);
  // Until stop().
  void hand_over(const std::function<void(Descriptor)>& take);

  std::vector<Descriptor> sockets_;
  int port_ = 0;
  Descriptor stop_;  // readable when it is time
  int most_descriptors_;
  Strangers strangers_;
  std::atomic<uint64_t> num_refused_ = 0;  // at once
  int64_t waited_at_ms_ = 0;               // in vain
  std::thread accepting_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Descriptor> accepted_;
  bool stopped_ = false;
  std::thread handing_over_;
};

}  // namespace tessera::rendezvous
