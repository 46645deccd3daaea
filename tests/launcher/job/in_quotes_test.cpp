#include "launcher/job/in_quotes.h"

#include <gtest/gtest.h>

namespace tessera::job {
namespace {

TEST(InQuotes, TextStaysOnOneLine) {
  EXPECT_EQ(in_quotes(""), "''");
  EXPECT_EQ(in_quotes("a b"), "'a b'");
  EXPECT_EQ(in_quotes("a\nb\x1b"), "'a\\x0ab\\x1b'");
}

TEST(InQuotes, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(in_quotes(std::string(120, 'x')), "'" + std::string(120, 'x') + "'");
  EXPECT_EQ(in_quotes(std::string(121, 'x')), "'" + std::string(120, 'x') + "'...");
  // The 120th byte would be the first of two.
  std::string text = std::string(119, 'x') + "\xc3\xa4 and more";
  EXPECT_EQ(in_quotes(text), "'" + std::string(119, 'x') + "'...");
}

}  // namespace
}  // namespace tessera::job
