// A queue from other threads to one that polls a descriptor.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "core/error.h"

namespace tessera::rendezvous {

template <class Message>
class Mailbox {
 public:
  Mailbox() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    TESSERA_CHECK(descriptor_ >= 0, "cannot make an eventfd: {}", std::strerror(errno));
  }
  ~Mailbox() { close(descriptor_); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Readable while there are messages.
  int descriptor() const { return descriptor_; }

  void put(Message message) {
    {
      std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
    uint64_t one = 1;
    // Fails only when it is readable anyway.
    [[maybe_unused]] ssize_t written = write(descriptor_, &one, sizeof one);
  }

  std::vector<Message> take_all() {
    uint64_t count = 0;
    [[maybe_unused]] ssize_t got = read(descriptor_, &count, sizeof count);
    std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

 private:
  int descriptor_;
  std::mutex mutex_;
  std::vector<Message> messages_;
};

}  // namespace tessera::rendezvous
