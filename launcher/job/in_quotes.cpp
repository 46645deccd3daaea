#include "launcher/job/in_quotes.h"

#include <fmt/format.h>

#include "core/printable.h"

namespace tessera::job {
namespace {

// Long enough for a path, short enough for a line.
constexpr size_t kShownBytes = 120;

}  // namespace

std::string in_quotes(std::string_view text) {
  bool cut = text.size() > kShownBytes;
  if (cut) {
    size_t end = kShownBytes;
    // Bytes 10xxxxxx continue a UTF-8 character.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  return fmt::format("'{}'{}", printable(text), cut ? "..." : "");
}

}  // namespace tessera::job
