#include "launcher/job/utf8.h"

#include <cstdint>

namespace tessera::job {
namespace {

// Bytes of the character that begins with lead; 0 if none does.
size_t length_by_lead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

// The length of the well-formed character at the start of text; 0 if there is none.
size_t character_length(std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  size_t length = length_by_lead(lead);
  if (length < 2) return length;
  if (text.size() < length) return 0;
  uint32_t code = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte & 0x3fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  bool is_surrogate = code >= 0xd800 && code < 0xe000;
  return code < kSmallest[length] || is_surrogate || code > 0x10ffff ? 0 : length;
}

}  // namespace

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    size_t length = character_length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

}  // namespace tessera::job
