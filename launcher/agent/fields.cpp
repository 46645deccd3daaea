#include "launcher/agent/fields.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "core/error.h"

namespace tessera::agent {

void fail_frame(FrameType type, std::string_view name, std::string_view expected,
                std::string_view got) {
  throw Error(fmt::format("[{}] expected {} for {}, got {}", name_of(type), expected, name, got));
}

std::string Fields::bytes(std::string_view name) {
  if (next_ == frame_.fields.size()) fail(name, "a field", "the end");
  return std::move(frame_.fields[next_++]);
}

std::string Fields::text(std::string_view name) {
  std::string value = bytes(name);
  if (value.find('\0') != std::string::npos) fail(name, "text", "a zero byte");
  return value;
}

int64_t Fields::number(std::string_view name, int64_t least, int64_t most) {
  return number_in(text(name), name, least, most);
}

int32_t Fields::status() {
  return static_cast<int32_t>(
      number("status", std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
}

std::vector<int64_t> Fields::numbers(std::string_view name, int64_t least, int64_t most) {
  std::string list = text(name);
  std::vector<int64_t> out;
  if (list.empty()) return out;
  for (std::string_view part : split(list, ',')) {
    out.push_back(number_in(part, name, least, most));
  }
  return out;
}

std::vector<std::string> Fields::texts(std::string_view name, size_t count) {
  if (count > frame_.fields.size() - next_) {
    fail(name, fmt::format("{} fields", count), fmt::format("{}", frame_.fields.size() - next_));
  }
  std::vector<std::string> out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) out.push_back(text(name));
  return out;
}

std::vector<std::string> Fields::environment() {
  std::vector<std::string> out = texts("environment", frame_.fields.size() - next_);
  for (const std::string& entry : out) {
    size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos) fail("environment", "NAME=VALUE", entry);
  }
  return out;
}

void Fields::end() const {
  if (next_ != frame_.fields.size()) {
    fail("end", fmt::format("{} fields", next_), fmt::format("{}", frame_.fields.size()));
  }
}

int64_t Fields::number_in(std::string_view text, std::string_view name, int64_t least,
                          int64_t most) const {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    fail(name, fmt::format("a number from {} to {}", least, most), fmt::format("'{}'", text));
  }
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

}  // namespace tessera::agent
