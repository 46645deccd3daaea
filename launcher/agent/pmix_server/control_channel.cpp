#include "launcher/agent/pmix_server/control_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "launcher/agent/pmix_server/system_error.h"
#include "launcher/agent/typed_frames.h"

namespace tessera::agent {

short ControlChannel::poll_events() const {
  return static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT);
}

void ControlChannel::post(const FromPmix& report) {
  std::string bytes = encode(frame_of(report));
  if (gone_) return;
  unsent_ += bytes;
  flush();
}

void ControlChannel::flush() {
  size_t sent = 0;
  while (sent < unsent_.size() && !gone_) {
    ssize_t size = send(descriptor_, unsent_.data() + sent, unsent_.size() - sent,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) {
      sent += static_cast<size_t>(size);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      // receive() will see it too, and that is where the server learns of it.
      gone_ = true;
    }
  }
  unsent_.erase(0, gone_ ? std::string::npos : sent);
}

void ControlChannel::flush_within(std::chrono::milliseconds limit) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  for (flush(); !unsent_.empty(); flush()) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return;
    pollfd socket{descriptor_, POLLOUT, 0};
    poll(&socket, 1, static_cast<int>(left.count()));
  }
}

bool ControlChannel::receive() {
  std::array<char, 64 << 10> buffer;
  for (;;) {
    ssize_t size = recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) {
      reader_.feed({buffer.data(), static_cast<size_t>(size)});
      return true;
    }
    if (size == 0 || errno == ECONNRESET) return false;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    if (errno != EINTR) throw_system_error("read the control socket");
  }
}

std::optional<ToPmix> ControlChannel::next() {
  std::optional<Frame> frame = reader_.next();
  if (!frame) return std::nullopt;
  return read_to_pmix(std::move(*frame));
}

}  // namespace tessera::agent
