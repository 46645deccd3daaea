#include "core/printable.h"

#include <gtest/gtest.h>

#include "core/json_text.h"

namespace tessera {
namespace {

TEST(Printable, LeavesTextAsItIs) {
  for (const char* text : {"", "blocks.0.weight", "a/b 'c' \\",
                           "H\xc3\xa4user \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(printable("a\nb\tc\rd\x7f"), "a\\x0ab\\x09c\\x0dd\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  // CSI as one character, the override of direction, a separator of lines, a mark without width.
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u009b31m");
  EXPECT_EQ(printable("\xe2\x80\xaetxt.exe"), "\\u202etxt.exe");
  EXPECT_EQ(printable("a\xe2\x80\xa8"
                      "b\xef\xbb\xbf"),
            "a\\u2028b\\ufeff");
}

TEST(Printable, EscapesBytesThatAreNoText) {
  // Alone, overlong, a surrogate, above the last, cut off.
  EXPECT_EQ(printable("\xff\x80"), "\\xff\\x80");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\xe2\x80"), "\\xe2\\x80");
}

TEST(Printable, LinesStayLines) {
  EXPECT_EQ(printable_lines("a: 1\n\tb\x1b\n"), "a: 1\n\tb\\x1b\n");
}

TEST(Printable, ExcerptsAreToo) {
  EXPECT_EQ(excerpt("w\x7f\xc2\x9b\xe2\x80\xae"), "\"w\\x7f\\u009b\\u202e\"");
}

}  // namespace
}  // namespace tessera
