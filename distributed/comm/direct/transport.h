// Transport: moves bytes between the ranks of a job. All that a new network has to supply;
// DirectCommunicator makes collectives of it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "distributed/comm/direct/neighbours.h"

namespace tessera {

// Where a message goes to or comes from: messages of one pair of ranks, context and tag arrive in
// the order of their sends. A context is one communicator.
struct Route {
  int peer = 0;
  int context = 0;
  int tag = 0;
};

// One side of a message under way. Destroyed before it is done, it is given up: its bytes are not
// touched any more, or their owner is kept alive for good.
class Message {
 public:
  virtual ~Message() = default;
  // Moves it on; true once the bytes are there (a receive) or may be reused (a send). Throws Error
  // when that cannot happen any more, or when the two sides differ in size.
  virtual bool done() = 0;
};

struct Failure {
  int origin = -1;  // the rank that found it, in the transport's numbering
  std::string message;
};

// What a rank moves on whenever it waits for anything: peers may wait for its part.
class Progressing {
 public:
  virtual ~Progressing() = default;
  virtual void move_on() noexcept = 0;
};

// One rank's end. Used by one thread; fail alone may be called from any.
class Transport {
 public:
  static constexpr int kMaxTag = 0xffff;

  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // owner keeps the bytes alive.
  virtual std::unique_ptr<Message> send(Route route, std::span<const std::byte> bytes,
                                        std::shared_ptr<const void> owner) = 0;
  virtual std::unique_ptr<Message> receive(Route route, std::span<std::byte> bytes,
                                           std::shared_ptr<const void> owner) = 0;

  // Tells the members that the context failed, waiting for none of them. The first failure stays.
  virtual void fail(int context, std::span<const int> members, const std::string& message) = 0;
  // What is known of it here.
  virtual std::optional<Failure> failure(int context) = 0;
  // Takes in what peers have told of failures; idle does it too.
  virtual void look_for_failures() = 0;
  // This rank will use the context no more.
  virtual void leave(int context) = 0;

  // Called between two rounds of asking messages whether they are done, `round` counting from 0:
  // returns when something may have happened, within milliseconds.
  virtual void idle(int round) = 0;

  // What this rank shares memory with; null where that is nobody.
  virtual Neighbours* neighbours() { return nullptr; }

  // Those of this rank's communicators.
  std::vector<Progressing*>& progressing() { return progressing_; }

  // This rank's counts of communicators: of those that have all ranks, made by every rank in the
  // same order, and of splits, whose number their members agree on. Contexts are made of these.
  virtual int take_world() = 0;
  virtual int next_split() = 0;
  virtual void take_split(int number) = 0;

 private:
  std::vector<Progressing*> progressing_;
};

}  // namespace tessera
