#include "core/io/checksum.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

std::string sum(std::string_view text, ChecksumKind kind) {
  return checksum_of(std::as_bytes(std::span(text)), kind);
}

TEST(Checksum, IsTheOneThatOthersCompute) {
  // sha256sum and xxh128sum of the same bytes.
  EXPECT_EQ(sum("abc", ChecksumKind::sha256),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sum("abc", ChecksumKind::xxh3), "xxh3:06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(sum("", ChecksumKind::xxh3), "xxh3:99aa06d3014798d86001c324468d497f");
}

TEST(Checksum, DoesNotDependOnHowTheBytesCame) {
  std::string text(100000, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i % 251);
  for (ChecksumKind kind : {ChecksumKind::xxh3, ChecksumKind::sha256}) {
    for (size_t step : {size_t{1}, size_t{17}, size_t{4096}, text.size()}) {
      Checksum checksum(kind);
      for (size_t at = 0; at < text.size(); at += step) {
        checksum.update(
            std::as_bytes(std::span(text).subspan(at, std::min(step, text.size() - at))));
      }
      EXPECT_EQ(checksum.text(), sum(text, kind)) << step;
    }
  }
}

TEST(Checksum, ItsTextSaysItsKind) {
  EXPECT_EQ(checksum_kind(sum("a", ChecksumKind::xxh3)), ChecksumKind::xxh3);
  EXPECT_EQ(checksum_kind(sum("a", ChecksumKind::sha256)), ChecksumKind::sha256);
  for (const char* text :
       {"", "xxh3:", "xxh3:06b05ab6733a618578af5f94892f395", "md5:00",
        "xxh3:06B05AB6733A618578AF5F94892F3950", "sha256:06b05ab6733a618578af5f94892f3950"}) {
    EXPECT_EQ(checksum_kind(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tessera
