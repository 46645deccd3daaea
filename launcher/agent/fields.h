// Reads the fields of one frame, first to last, and checks them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/agent/frames.h"

namespace tessera::agent {

// Throws Error: what that field of such a frame says cannot be.
[[noreturn]] void fail_frame(FrameType type, std::string_view name, std::string_view expected,
                             std::string_view got);

// Everything throws Error that names the frame and the field: what came is not what the other side
// sends.
class Fields {
 public:
  explicit Fields(Frame frame) : frame_(std::move(frame)) {}

  FrameType type() const { return frame_.type; }

  // Any bytes.
  std::string bytes(std::string_view name);
  // Bytes without a zero among them: what can become a C string.
  std::string text(std::string_view name);
  int64_t number(std::string_view name, int64_t least, int64_t most);
  // A PMIx status.
  int32_t status();
  // Separated by commas; "" is none.
  std::vector<int64_t> numbers(std::string_view name, int64_t least, int64_t most);
  // The next `count` fields as texts.
  std::vector<std::string> texts(std::string_view name, size_t count);
  // All that is left, as NAME=VALUE.
  std::vector<std::string> environment();
  // The number that a part of a field is.
  int64_t number_in(std::string_view text, std::string_view name, int64_t least,
                    int64_t most) const;
  // There must be nothing left.
  void end() const;

  [[noreturn]] void fail(std::string_view name, std::string_view expected,
                         std::string_view got) const {
    fail_frame(frame_.type, name, expected, got);
  }

 private:
  Frame frame_;
  size_t next_ = 0;
};

// "a,b" is a and b; "" is one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace tessera::agent
