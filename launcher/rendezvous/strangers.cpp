#include "launcher/rendezvous/strangers.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/boot_clock.h"

namespace tessera::rendezvous {
namespace {

// As long as a stranger may keep newcomers out; to prove itself takes milliseconds.
constexpr int64_t kChanceMs = 1000;
// How often to look whether strangers have gone that are not the oldest, and what all have sent: a
// look is a call or two for each.
constexpr int64_t kLookMs = 20;

ino_t inode_of(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

// What has come on a connection so far.
uint64_t received_bytes(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  bool known = getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
  return known ? info.tcpi_bytes_received : 0;
}

}  // namespace

bool Strangers::add(const std::string& peer, int descriptor) {
  std::lock_guard lock(mutex_);
  if (strangers_.size() >= most_ && !make_room()) return false;
  strangers_.push_back({peer, descriptor, inode_of(descriptor), boot_ms()});
  return true;
}

void Strangers::admit(const std::string& peer) {
  std::lock_guard lock(mutex_);
  std::erase_if(strangers_, [&](const Stranger& each) { return each.peer == peer; });
}

void Strangers::note_call(const std::string& peer) {
  std::lock_guard lock(mutex_);
  for (Stranger& each : strangers_) {
    if (each.peer == peer) each.has_called = true;
  }
}

bool Strangers::has_gone(const Stranger& stranger) {
  if (inode_of(stranger.descriptor) == stranger.inode) return false;
  if (!stranger.has_called) ++num_refused_;
  return true;
}

void Strangers::watch() {
  std::lock_guard lock(mutex_);
  if (boot_ms() - watched_at_ms_ < kLookMs) return;
  watched_at_ms_ = boot_ms();
  std::erase_if(strangers_, [&](const Stranger& each) {
    if (has_gone(each)) return true;
    if (received_bytes(each.descriptor) <= kMaxBytes) return false;
    cut_off(each);
    return true;
  });
}

int Strangers::until_watch() {
  std::lock_guard lock(mutex_);
  if (strangers_.empty()) return -1;
  return static_cast<int>(std::clamp(watched_at_ms_ + kLookMs - boot_ms(), int64_t{0}, kLookMs));
}

bool Strangers::make_room() {
  if (strangers_.empty()) return false;
  const Stranger& oldest = strangers_.front();
  bool open = !has_gone(oldest);
  if (open && boot_ms() - oldest.since_ms < kChanceMs) return forget_gone();
  if (open) cut_off(oldest);
  strangers_.pop_front();
  return true;
}

bool Strangers::forget_gone() {
  if (boot_ms() - looked_at_ms_ < kLookMs) return false;
  looked_at_ms_ = boot_ms();
  return std::erase_if(strangers_, [&](const Stranger& each) { return has_gone(each); }) > 0;
}

// gRPC, whose socket it is, closes it then, which is a reset: the system would else keep what has
// come and was not read, and the other side waiting, for a minute.
void Strangers::cut_off(const Stranger& stranger) {
  linger none{1, 0};
  setsockopt(stranger.descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  shutdown(stranger.descriptor, SHUT_RDWR);
  ++num_refused_;
}

}  // namespace tessera::rendezvous
