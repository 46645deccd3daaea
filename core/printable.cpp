#include "core/printable.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace tessera {
namespace {

struct Character {
  uint32_t code = 0;
  size_t length = 0;  // in bytes; 0: the first byte begins no character
};

// The first character of text, which is not empty, by RFC 3629: no overlong forms, no surrogates.
Character first_of(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return {};
  uint32_t code = byte(0) & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr std::array<uint32_t, 5> kLowest{0, 0, 0x80, 0x800, 0x10000};
  bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kLowest[length] || code > 0x10ffff || is_surrogate) return {};
  return {code, length};
}

struct Range {
  uint32_t first;
  uint32_t last;
};
// Controls of both sets; marks and embeddings of direction; separators of lines; what has no width.
constexpr std::array<Range, 10> kUnfit{{{0, 0x1f},
                                        {0x7f, 0x9f},
                                        {0xad, 0xad},
                                        {0x61c, 0x61c},
                                        {0x180e, 0x180e},
                                        {0x200b, 0x200f},
                                        {0x2028, 0x202e},
                                        {0x2060, 0x206f},
                                        {0xfeff, 0xfeff},
                                        {0xe0000, 0xe0fff}}};

bool is_fit(uint32_t code) {
  if (code >= 0xfff9 && code <= 0xfffb) return false;
  for (const Range& range : kUnfit) {
    if (code >= range.first && code <= range.last) return false;
  }
  return true;
}

std::string escaped(std::string_view text, std::string_view kept) {
  std::string out;
  while (!text.empty()) {
    Character next = first_of(text);
    size_t length = next.length == 0 ? 1 : next.length;
    bool stays = next.length > 0 && (is_fit(next.code) || kept.find(text[0]) != kept.npos);
    if (stays) {
      out += text.substr(0, length);
    } else if (length == 1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else {
      out += fmt::format("\\u{:04x}", next.code);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, ""); }

std::string printable_lines(std::string_view text) { return escaped(text, "\n\t"); }

}  // namespace tessera
