#include "launcher/experiment/config_error.h"

namespace tessera::experiment {
namespace {

// Long enough for a path, short enough for a line.
constexpr size_t kShownBytes = 120;

}  // namespace

std::string quoted(std::string_view text) {
  bool cut = text.size() > kShownBytes;
  if (cut) {
    size_t end = kShownBytes;
    // Bytes 10xxxxxx continue a UTF-8 character.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string out = "'";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (cut ? "'..." : "'");
}

}  // namespace tessera::experiment
