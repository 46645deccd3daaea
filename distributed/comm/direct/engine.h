// Engine: the transfers of one communicator, moved on one after the other, and its failure.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <vector>

#include "distributed/comm/call.h"
#include "distributed/comm/direct/transport.h"

namespace tessera {

// The ranks of a communicator.
struct Group {
  std::vector<int> members;   // the transport's rank of each of ours
  int rank = 0;               // ours
  std::vector<int> contexts;  // this communicator's, then those it was split from
};

// What a step throws to fail the communicator and name a peer.
class PeerError : public Error {
 public:
  PeerError(int peer, const std::string& detail) : Error(detail), peer_(peer) {}
  int peer() const { return peer_; }

 private:
  int peer_;
};

// A transfer as a list of steps: each runs when every message that is due has arrived, posts the
// next messages, and the transfer is done after the last.
class Operation {
 public:
  explicit Operation(const Call& call) : call_(call) {}
  // `tell` runs first, before those ahead are done: it says to peers what is to come, and false
  // where it cannot yet.
  Operation(const Call& call, std::function<bool(Operation&)> tell)
      : call_(call), tell_(std::move(tell)) {}
  virtual ~Operation() = default;

  const Call& call() const { return call_; }
  Operation& then(std::function<void()> step) {
    steps_.push_back(std::move(step));
    return *this;
  }
  // The message is due `later` steps after the one that posts it.
  void add(int peer, std::unique_ptr<Message> message, size_t later = 0) {
    messages_.push_back({peer, next_step_ + later, std::move(message)});
  }
  virtual bool tell() { return !tell_ || tell_(*this); }
  // Goes as far as it can without waiting; true when done. A step may append others.
  virtual bool advance();
  bool done() const { return done_; }
  // The peer of the first message that stands in the way, -1 if none does.
  int waiting_for() const { return waiting_for_; }
  // Whether that peer may itself be waiting for another, which is then the late one.
  bool waits_through_others() const { return waits_through_others_; }
  void set_waits_through_others(bool does) { waits_through_others_ = does; }
  // Lets go of messages and arrays.
  virtual void clear();

 protected:
  // For kinds of operations that need no list of steps.
  void wait_for(int peer) { waiting_for_ = peer; }
  void set_done() { done_ = true; }

 private:
  struct Pending {
    int peer;
    size_t due;
    std::unique_ptr<Message> message;
  };
  bool due_messages_arrived();

  Call call_;
  std::function<bool(Operation&)> tell_;
  std::vector<std::function<void()>> steps_;
  size_t next_step_ = 0;
  std::vector<Pending> messages_;
  int waiting_for_ = -1;
  bool waits_through_others_ = false;
  bool done_ = false;
};

class Engine final : public Progressing {
 public:
  Engine(std::shared_ptr<Transport> transport, Group group, CommOptions options);
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Transport& transport() { return *transport_; }
  const std::shared_ptr<Transport>& shared_transport() const { return transport_; }
  const Group& group() const { return group_; }
  const CommOptions& options() const { return options_; }
  int rank() const { return group_.rank; }
  int size() const { return static_cast<int>(group_.members.size()); }
  bool tells_calls_directly() const { return size() <= std::max(options_.direct_calls, 1); }

  // Post bytes to or from a rank of the group as messages of the operation; none for no bytes.
  void send(Operation& op, int peer, int tag, std::span<const std::byte> bytes,
            std::shared_ptr<const void> owner, size_t later = 0);
  void receive(Operation& op, int peer, int tag, std::span<std::byte> bytes,
               std::shared_ptr<const void> owner, size_t later = 0);

  // Throws the first failure, if there was one; `call` is what finds it.
  void check(const Call& call);
  // Collectives are told in the order of their calls, and go strictly one after the other: so
  // messages need no number of their own.
  void start_collective(std::shared_ptr<Operation> op);
  void start_point_to_point(std::shared_ptr<Operation> op);
  // What is told in the order of its calls and can go on, goes on; a failure is for its own waits.
  void move_on() noexcept override;
  // Moves everything on until op is done, and so do the transport's other engines: whoever they
  // wait for may wait for them first.
  void finish(const Operation& op, std::chrono::milliseconds timeout);

 private:
  void progress();
  // A peer that gave up has told why before: that is the first failure, and is thrown.
  void check_peers(const Call& call);
  bool attempt(Operation& op, bool (Operation::*step)());
  const Operation& in_the_way(const Operation& op) const;
  [[noreturn]] void time_over(const Operation& op, std::chrono::milliseconds timeout);
  [[noreturn]] void fail(const Call& call, int peer, const std::string& detail);
  void drop_all();

  std::shared_ptr<Transport> transport_;
  Group group_;
  CommOptions options_;
  std::optional<CommError> failure_;
  std::deque<std::shared_ptr<Operation>> collectives_;
  size_t num_told_ = 0;  // of collectives_, from the front
  std::vector<std::shared_ptr<Operation>> point_to_point_;
};

}  // namespace tessera
