// A node's connection to the rendezvous: joins, beats, and comes back after every interruption.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "launcher/rendezvous/channel.h"
#include "launcher/rendezvous/credentials.h"
#include "launcher/rendezvous/mailbox.h"
#include "launcher/rendezvous/step_types.h"
#include "proto/rendezvous.grpc.pb.h"

namespace tessera::rendezvous {

// What comes from the server.
struct Joined {
  v1::JoinReply reply;
};
// A stream is open (again): time for a beat.
struct Connected {};
struct FenceEnded {
  int64_t generation;
  std::string key;
  bool ok;
  std::string data;  // of all participants, one after the other
};
// The server will never have this node; the text is for the user.
struct TurnedAway {
  std::string text;
};
// An attempt to join has failed, for the first time; others follow.
struct NotYet {
  std::string text;
};
using FromServer = std::variant<Joined, Connected, v1::Order, FenceEnded, TurnedAway, NotYet>;

// All functions may be called from any thread and do not wait for the server, but for leave().
class Client {
 public:
  // An Error where the endpoint may not be reached without certificates.
  Client(const Endpoint& endpoint, Credentials credentials);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Where what comes from the server arrives.
  Mailbox<FromServer>& mailbox() { return mailbox_; }

  // Becomes a member, as soon as the server can be reached; ends what membership there was.
  void join(v1::JoinRequest request);
  // Sends a beat; of those that wait for the connection, only the last counts.
  void beat(const v1::Beat& beat);
  // Enters a fence, again after every interruption, until its generation is forgotten.
  void fence(v1::FenceRequest request);
  void forget_fences();
  // Says good-bye, and waits at most wait_ms for the answer.
  void leave(const std::string& reason, Millis wait_ms);

 private:
  class Stream;
  struct Call;
  struct Fence {
    v1::FenceRequest request;
    bool told = false;       // how it ended
    bool under_way = false;  // over the connection at hand
    bool answered = false;   // over it, for good
  };
  using Stub = v1::Rendezvous::Stub;

  void run();
  // One connection, from its making to its end.
  void serve_connection();
  bool try_join(Stub& stub);
  void take_refusal(const grpc::Status& status);
  void hold_stream(const std::shared_ptr<Stub>& stub);
  void send_fence(const std::shared_ptr<Stub>& stub, const std::shared_ptr<Fence>& fence);
  void send_open_fences(const std::shared_ptr<Stub>& stub);
  void drop_ended_calls();
  void fence_answered(const std::shared_ptr<Fence>& fence, const grpc::Status& status,
                      const v1::FenceReply& reply);
  void pause(Millis ms);
  bool is_current(uint64_t attempt);

  Endpoint endpoint_;
  Credentials credentials_;
  Mailbox<FromServer> mailbox_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool turned_away_ = false;
  v1::JoinRequest request_;
  uint64_t wanted_ = 0;  // counts calls of join()
  uint64_t joined_ = 0;  // the one that was answered
  // Of the thread only.
  using Time = std::chrono::steady_clock::time_point;
  int num_failures_ = 0;              // of connections, in a row
  std::optional<Time> trying_since_;  // of joining: the first failure
  std::optional<Time> taken_since_;   // the first that found the place taken
  bool told_ = false;                 // NotYet
  uint64_t member_ = 0;
  grpc::ClientContext* joining_ = nullptr;  // while a call waits
  std::shared_ptr<Stub> stub_;              // while there is a stream
  std::shared_ptr<Stream> stream_;
  std::vector<std::shared_ptr<Fence>> fences_;
  std::vector<std::unique_ptr<Call>> calls_;  // of the connection at hand
  std::thread thread_;
};

}  // namespace tessera::rendezvous
