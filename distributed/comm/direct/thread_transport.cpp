#include "distributed/comm/direct/thread_transport.h"

#include <sched.h>

#include <algorithm>
#include <cstring>

namespace tessera {
namespace {

using Side = ThreadHub::Side;
using Lock = std::unique_lock<std::mutex>;

class ThreadMessage : public Message {
 public:
  ThreadMessage(std::shared_ptr<ThreadHub> hub, ThreadHub::Key key, bool receives,
                std::shared_ptr<Side> side, std::shared_ptr<const void> owner)
      : hub_(std::move(hub)),
        key_(key),
        receives_(receives),
        side_(std::move(side)),
        owner_(std::move(owner)) {
    Lock lock(hub_->mutex);
    ThreadHub::Box& box = hub_->boxes[key_];
    auto& waiting = receives_ ? box.sends : box.receives;
    if (waiting.empty()) {
      (receives_ ? box.receives : box.sends).push_back(side_);
      return;
    }
    side_->partner = waiting.front();
    side_->partner->partner = side_;
    waiting.pop_front();
    drop_empty_box();
    hub_->wake(side_->partner->rank);
  }

  ~ThreadMessage() override {
    Lock lock(hub_->mutex);
    // A receiver that is reading our bytes ends by waking us.
    hub_->ranks[static_cast<size_t>(side_->rank)].changed.wait(lock,
                                                               [this] { return !side_->copying; });
    if (std::shared_ptr<Side> partner = std::move(side_->partner)) {
      partner->partner = nullptr;
      if (side_->done) return;
      partner->broken = "the peer gave up its side of the message";
      hub_->wake(partner->rank);
    } else if (auto box = hub_->boxes.find(key_); box != hub_->boxes.end()) {
      std::erase(receives_ ? box->second.receives : box->second.sends, side_);
      drop_empty_box();
    }
  }

  bool done() override {
    Lock lock(hub_->mutex);
    if (side_->done) return true;
    if (!side_->broken.empty()) throw_error(side_->broken);
    if (!side_->partner) {
      int peer = receives_ ? std::get<1>(key_) : std::get<2>(key_);
      TESSERA_CHECK(!hub_->gone.contains({std::get<0>(key_), peer}), "the peer is gone");
      return false;
    }
    if (receives_) copy(lock);
    return side_->done;
  }

 private:
  void copy(Lock& lock) {
    std::shared_ptr<Side> sender = side_->partner;
    if (sender->bytes != side_->bytes) {
      sender->broken = side_->broken = fmt::format(
          "{} bytes were sent where {} were to be received", sender->bytes, side_->bytes);
      hub_->wake(sender->rank);
      throw_error(side_->broken);
    }
    sender->copying = true;
    lock.unlock();
    std::memcpy(const_cast<std::byte*>(side_->data), sender->data, side_->bytes);
    lock.lock();
    sender->copying = false;
    sender->done = side_->done = true;
    hub_->wake(sender->rank);
  }

  void drop_empty_box() {
    auto box = hub_->boxes.find(key_);
    if (box->second.sends.empty() && box->second.receives.empty()) hub_->boxes.erase(box);
  }

  std::shared_ptr<ThreadHub> hub_;
  ThreadHub::Key key_;
  bool receives_;
  std::shared_ptr<Side> side_;
  std::shared_ptr<const void> owner_;
};

}  // namespace

std::unique_ptr<Message> ThreadTransport::send(Route route, std::span<const std::byte> bytes,
                                               std::shared_ptr<const void> owner) {
  auto side = std::make_shared<Side>();
  side->data = bytes.data();
  side->bytes = bytes.size();
  side->rank = rank_;
  ThreadHub::Key key{route.context, rank_, route.peer, route.tag};
  return std::make_unique<ThreadMessage>(hub_, key, false, std::move(side), std::move(owner));
}

std::unique_ptr<Message> ThreadTransport::receive(Route route, std::span<std::byte> bytes,
                                                  std::shared_ptr<const void> owner) {
  auto side = std::make_shared<Side>();
  side->data = bytes.data();
  side->bytes = bytes.size();
  side->rank = rank_;
  ThreadHub::Key key{route.context, route.peer, rank_, route.tag};
  return std::make_unique<ThreadMessage>(hub_, key, true, std::move(side), std::move(owner));
}

void ThreadTransport::fail(int context, std::span<const int> members, const std::string& message) {
  Lock lock(hub_->mutex);
  for (int member : members) {
    if (hub_->failures.try_emplace({context, member}, Failure{rank_, message}).second) {
      hub_->wake(member);
    }
  }
}

std::optional<Failure> ThreadTransport::failure(int context) {
  Lock lock(hub_->mutex);
  auto found = hub_->failures.find({context, rank_});
  if (found == hub_->failures.end()) return std::nullopt;
  return found->second;
}

void ThreadTransport::leave(int context) {
  Lock lock(hub_->mutex);
  hub_->gone.emplace(context, rank_);
  hub_->wake_all();
}

void ThreadTransport::idle(int round) {
  // A peer on another core is often microseconds away; one that waits for this core is not.
  constexpr int kYields = 20;
  if (round < kYields) {
    sched_yield();
    return;
  }
  // Events since the last sleep may have come before messages were last asked: then this returns
  // at once and they are asked again. The limit lets the caller look at its clock.
  ThreadHub::Rank& own = hub_->ranks[static_cast<size_t>(rank_)];
  Lock lock(hub_->mutex);
  own.changed.wait_for(lock, std::chrono::milliseconds(10),
                       [&] { return own.events != seen_events_; });
  seen_events_ = own.events;
}

int ThreadTransport::take_world() {
  Lock lock(hub_->mutex);
  return hub_->ranks[static_cast<size_t>(rank_)].num_worlds++;
}

int ThreadTransport::next_split() {
  Lock lock(hub_->mutex);
  return hub_->ranks[static_cast<size_t>(rank_)].next_split;
}

void ThreadTransport::take_split(int number) {
  Lock lock(hub_->mutex);
  int& next = hub_->ranks[static_cast<size_t>(rank_)].next_split;
  next = std::max(next, number + 1);
}

}  // namespace tessera
