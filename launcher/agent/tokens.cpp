#include "launcher/agent/tokens.h"

#include <fmt/format.h>

#include <cstdint>
#include <random>

#include "launcher/agent/private_folders.h"

namespace tessera::agent {

std::string random_secret() {
  constexpr size_t kSecretBytes = 32;
  std::random_device random;
  std::string secret;
  while (secret.size() < kSecretBytes) {
    uint32_t word = random();
    secret.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return secret;
}

std::string make_token() {
  std::string token;
  for (char byte : random_secret()) {
    token += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return token;
}

std::string token_name(int port) { return fmt::format("token-{}", port); }

std::string find_token(int port) { return PrivateFolders::find(token_name(port)); }

}  // namespace tessera::agent
