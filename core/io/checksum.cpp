#include "core/io/checksum.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "core/error.h"

namespace tessera {
namespace {

constexpr size_t kXxh3Digits = 32;
constexpr size_t kSha256Digits = 64;

std::string hexadecimal(ChecksumKind kind, std::span<const unsigned char> bytes) {
  std::string text = fmt::format("{}:", name(kind));
  for (unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// Whether text is of that kind, with so many digits.
bool has_digits(std::string_view text, ChecksumKind kind, size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string_view word = name(kind);
  size_t first = word.size() + 1;
  return text.starts_with(word) && text.size() == first + count && text[word.size()] == ':' &&
         text.find_first_not_of(kDigits, first) == std::string_view::npos;
}

}  // namespace

// One of the two.
struct Checksum::State {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> xxh3{nullptr, XXH3_freeState};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> sha256{nullptr, EVP_MD_CTX_free};
};

Checksum::Checksum(ChecksumKind kind) : state_(std::make_unique<State>()) {
  if (kind == ChecksumKind::xxh3) {
    state_->xxh3.reset(XXH3_createState());
    TESSERA_CHECK(state_->xxh3 && XXH3_128bits_reset(state_->xxh3.get()) == XXH_OK,
                  "[checksum] no memory for XXH3");
  } else {
    state_->sha256.reset(EVP_MD_CTX_new());
    TESSERA_CHECK(
        state_->sha256 && EVP_DigestInit_ex(state_->sha256.get(), EVP_sha256(), nullptr) == 1,
        "[checksum] OpenSSL has no SHA-256 here");
  }
}

Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

void Checksum::update(std::span<const std::byte> data) {
  if (state_->xxh3) {
    XXH3_128bits_update(state_->xxh3.get(), data.data(), data.size());
  } else {
    TESSERA_ASSERT(EVP_DigestUpdate(state_->sha256.get(), data.data(), data.size()) == 1);
  }
}

std::string Checksum::text() {
  if (state_->xxh3) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh3.get()));
    return hexadecimal(ChecksumKind::xxh3, canonical.digest);
  }
  std::array<unsigned char, kSha256Digits / 2> bytes{};
  TESSERA_ASSERT(EVP_DigestFinal_ex(state_->sha256.get(), bytes.data(), nullptr) == 1);
  return hexadecimal(ChecksumKind::sha256, bytes);
}

std::string checksum_of(std::span<const std::byte> data, ChecksumKind kind) {
  Checksum checksum(kind);
  checksum.update(data);
  return checksum.text();
}

std::optional<ChecksumKind> checksum_kind(std::string_view text) {
  if (has_digits(text, ChecksumKind::xxh3, kXxh3Digits)) return ChecksumKind::xxh3;
  if (has_digits(text, ChecksumKind::sha256, kSha256Digits)) return ChecksumKind::sha256;
  return std::nullopt;
}

}  // namespace tessera
