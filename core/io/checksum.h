// Checksums of bytes in files: fast ones against accidents, SHA-256 where asked for.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/words.h"

namespace tessera {

// xxh3 is the 128-bit XXH3 (https://xxhash.com): it finds accidents and is as fast as memory;
// whoever may write a file can forge it. sha256 cannot be forged, and takes ten times as long.
enum class ChecksumKind { xxh3, sha256 };
constexpr auto words_of(ChecksumKind) {
  return std::array{Word{ChecksumKind::xxh3, "xxh3"}, Word{ChecksumKind::sha256, "sha256"}};
}

class Checksum {
 public:
  explicit Checksum(ChecksumKind kind);
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;

  void update(std::span<const std::byte> data);
  // "xxh3:" and 32 hexadecimal digits, or "sha256:" and 64, of all that was given; the last call.
  std::string text();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string checksum_of(std::span<const std::byte> data, ChecksumKind kind);
// The kind of a checksum's text; nothing if it is none.
std::optional<ChecksumKind> checksum_kind(std::string_view text);

}  // namespace tessera
