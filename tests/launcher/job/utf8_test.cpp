#include "launcher/job/utf8.h"

#include <gtest/gtest.h>

namespace tessera::job {
namespace {

TEST(Utf8, OfWellFormedCharactersNothingIsInvalid) {
  for (const char* good :
       {"", "a", "a\xc3\xa4\xf0\x9f\x98\x80", "\xed\x9f\xbf\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(find_invalid_utf8(good), std::nullopt) << good;
  }
}

TEST(Utf8, TheFirstByteThatBeginsNoCharacterIsFound) {
  // Overlong, surrogate, above the last code point, cut short, a lone continuation.
  for (const char* bad : {"a\xc0\x80", "a\xe0\x80\x80", "a\xed\xa0\x80", "a\xf4\x90\x80\x80",
                          "a\xe2\x82", "a\x80", "a\xf0\x80\x80\x80"}) {
    EXPECT_EQ(find_invalid_utf8(bad), 1u);
  }
}

}  // namespace
}  // namespace tessera::job
