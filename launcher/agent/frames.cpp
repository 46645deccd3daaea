#include "launcher/agent/frames.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "core/error.h"

namespace tessera::agent {
namespace {

constexpr size_t kNumberBytes = 4;
constexpr size_t kHeadBytes = 2 * kNumberBytes;  // type and number of fields

constexpr std::array<std::string_view, 23> kNames = {
    "",        "prepare",       "program",   "rank",          "start",      "fence_done",
    "signal",  "lease",         "end",       "modex_request", "modex_data", "ready",
    "started", "exec_failed",   "connected", "finalized",     "aborted",    "exited",
    "fence",   "lease_expired", "ended",     "failed",        "not_served"};

void append_number(std::string& out, uint32_t number) {
  for (size_t i = 0; i < kNumberBytes; ++i) {
    out.push_back(static_cast<char>(number >> (8 * i) & 0xff));
  }
}

// Takes numbers and strings off the front of one frame's bytes.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  uint32_t number() {
    std::string_view bytes = take(kNumberBytes);
    uint32_t value = 0;
    for (size_t i = 0; i < kNumberBytes; ++i) {
      value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return value;
  }

  std::string_view take(size_t size) {
    if (size > rest_.size()) {
      throw Error(fmt::format("[frame] expected {} more bytes, got {}", size, rest_.size()));
    }
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  size_t size() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

Frame decode(std::string_view body) {
  Cursor cursor(body);
  uint32_t type = cursor.number();
  if (type == 0 || type >= kNames.size()) {
    throw Error(
        fmt::format("[frame] expected a type from 1 to {}, got {}", kNames.size() - 1, type));
  }
  uint32_t num_fields = cursor.number();
  if (num_fields > cursor.size() / kNumberBytes) {
    throw Error(fmt::format("[frame] expected fields that fit in {} bytes, got {} of them",
                            cursor.size(), num_fields));
  }
  Frame frame{static_cast<FrameType>(type), {}};
  frame.fields.reserve(num_fields);
  for (uint32_t i = 0; i < num_fields; ++i) {
    frame.fields.emplace_back(cursor.take(cursor.number()));
  }
  if (cursor.size() != 0) {
    throw Error(fmt::format("[frame] expected an end after {} fields, got {} more bytes",
                            num_fields, cursor.size()));
  }
  return frame;
}

}  // namespace

std::string_view name_of(FrameType type) { return kNames.at(static_cast<size_t>(type)); }

std::string encode(const Frame& frame) {
  size_t body_bytes = kHeadBytes;
  for (const std::string& field : frame.fields) body_bytes += kNumberBytes + field.size();
  if (body_bytes > kMaxFrameBytes) {
    throw Error(fmt::format("[frame] expected at most {} bytes in {}, got {}", kMaxFrameBytes,
                            name_of(frame.type), body_bytes));
  }
  std::string out;
  out.reserve(kNumberBytes + body_bytes);
  append_number(out, static_cast<uint32_t>(body_bytes));
  append_number(out, static_cast<uint32_t>(frame.type));
  append_number(out, static_cast<uint32_t>(frame.fields.size()));
  for (const std::string& field : frame.fields) {
    append_number(out, static_cast<uint32_t>(field.size()));
    out += field;
  }
  return out;
}

void FrameReader::feed(std::string_view bytes) {
  // What was read goes once it is the larger part, so that a byte moves only a few times.
  if (start_ > bytes_.size() / 2) {
    bytes_.erase(0, start_);
    start_ = 0;
  }
  bytes_ += bytes;
}

std::optional<Frame> FrameReader::next() {
  std::string_view rest = std::string_view(bytes_).substr(start_);
  if (rest.size() < kNumberBytes) return std::nullopt;
  size_t body_bytes = Cursor(rest).number();
  if (body_bytes < kHeadBytes || body_bytes > kMaxFrameBytes) {
    throw Error(fmt::format("[frame] expected a length from {} to {}, got {}", kHeadBytes,
                            kMaxFrameBytes, body_bytes));
  }
  if (rest.size() - kNumberBytes < body_bytes) return std::nullopt;
  Frame frame = decode(rest.substr(kNumberBytes, body_bytes));
  start_ += kNumberBytes + body_bytes;
  return frame;
}

void send_frame(int descriptor, const Frame& frame) {
  std::string bytes = encode(frame);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    ssize_t sent = send(descriptor, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      throw Error(fmt::format("[frame] cannot send {}: {}", name_of(frame.type),
                              std::generic_category().message(errno)));
    }
    rest.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace tessera::agent
