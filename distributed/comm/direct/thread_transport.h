// The transport of ranks that share one process.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

#include "distributed/comm/direct/transport.h"

namespace tessera {

// What the ranks share. Everything but the copying itself happens under one mutex.
class ThreadHub {
 public:
  // One side of a message. The first two fields are what was posted.
  struct Side {
    const std::byte* data = nullptr;  // a receiver writes to it
    size_t bytes = 0;
    int rank = 0;
    std::shared_ptr<Side> partner;
    bool done = false;
    bool copying = false;  // a sender's: the receiver is reading it
    std::string broken;    // why it can never be done
  };
  // (context, sender, receiver, tag)
  using Key = std::tuple<int, int, int, int>;
  struct Box {
    std::deque<std::shared_ptr<Side>> sends;
    std::deque<std::shared_ptr<Side>> receives;
  };

  explicit ThreadHub(int num_ranks) : ranks(static_cast<size_t>(num_ranks)) {}
  // Something happened to a rank: it asks its messages again.
  void wake(int rank) {
    ++ranks[static_cast<size_t>(rank)].events;
    ranks[static_cast<size_t>(rank)].changed.notify_all();
  }
  void wake_all() {
    for (int rank = 0; rank < static_cast<int>(ranks.size()); ++rank) wake(rank);
  }

  struct Rank {
    std::condition_variable changed;
    uint64_t events = 0;
    int num_worlds = 0;
    int next_split = 0;
  };
  std::mutex mutex;
  std::vector<Rank> ranks;
  std::map<Key, Box> boxes;                         // without empty ones
  std::map<std::pair<int, int>, Failure> failures;  // by (context, rank)
  std::set<std::pair<int, int>> gone;               // (context, rank)
};

class ThreadTransport : public Transport {
 public:
  ThreadTransport(std::shared_ptr<ThreadHub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(hub_->ranks.size()); }
  std::unique_ptr<Message> send(Route route, std::span<const std::byte> bytes,
                                std::shared_ptr<const void> owner) override;
  std::unique_ptr<Message> receive(Route route, std::span<std::byte> bytes,
                                   std::shared_ptr<const void> owner) override;
  void fail(int context, std::span<const int> members, const std::string& message) override;
  std::optional<Failure> failure(int context) override;
  void look_for_failures() override {}
  void leave(int context) override;
  void idle(int round) override;
  int take_world() override;
  int next_split() override;
  void take_split(int number) override;

 private:
  std::shared_ptr<ThreadHub> hub_;
  int rank_;
  uint64_t seen_events_ = 0;
};

}  // namespace tessera
