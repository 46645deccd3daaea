#include "launcher/agent/tokens.h"

#include <gtest/gtest.h>

#include "launcher/agent/private_folders.h"

namespace tessera::agent {
namespace {

TEST(Tokens, Are256BitsAndNeverTheSame) {
  EXPECT_EQ(random_secret().size(), 32u);
  EXPECT_NE(random_secret(), random_secret());
  std::string token = make_token();
  EXPECT_EQ(token.size(), 64u);
  EXPECT_EQ(token.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(token, make_token());
}

TEST(Tokens, AreFoundByThePortWhileTheirAgentLives) {
  constexpr int kPort = 70'001;  // no port that a rendezvous can have
  EXPECT_EQ(find_token(kPort), "");
  {
    PrivateFolders folders;
    folders.keep(token_name(kPort), "secret");
    EXPECT_EQ(find_token(kPort), "secret");
    EXPECT_EQ(find_token(kPort + 1), "");
  }
  EXPECT_EQ(find_token(kPort), "");
}

}  // namespace
}  // namespace tessera::agent
