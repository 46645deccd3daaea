#include "launcher/experiment/config/number_text.h"

#include <gtest/gtest.h>

namespace tessera::experiment {
namespace {

TEST(NumberText, IntegersAreDigits) {
  auto is = [](std::string_view text, bool negative, uint64_t magnitude) {
    auto value = parse_integer(text);
    return value && value->is_negative == negative && value->magnitude == magnitude;
  };
  EXPECT_TRUE(is("0", false, 0));
  EXPECT_TRUE(is("-0", false, 0));
  EXPECT_TRUE(is("+12", false, 12));
  EXPECT_TRUE(is("-12", true, 12));
  EXPECT_TRUE(is("18446744073709551615", false, UINT64_MAX));
  for (const char* bad : {"", "+", "-", "--1", "1e3", "0x10", "010", "1.0", " 1", "1 ", "nan",
                          "18446744073709551616"}) {
    EXPECT_FALSE(parse_integer(bad)) << bad;
  }
}

TEST(NumberText, NumbersAreFinite) {
  EXPECT_EQ(parse_number("1e3"), 1000);
  EXPECT_EQ(parse_number("-.5"), -0.5);
  EXPECT_EQ(parse_number("+2"), 2);
  for (const char* bad :
       {"", "nan", "-nan", "inf", "+inf", ".inf", "1e999", "1e", "0x1p3", "1,5"}) {
    EXPECT_FALSE(parse_number(bad)) << bad;
  }
}

TEST(NumberText, WholeNumbersAreShownInDigits) {
  EXPECT_EQ(in_digits("1e3"), "; in digits that is 1000");
  EXPECT_EQ(in_digits("-2.0"), "; in digits that is -2");
  for (const char* none : {"1000", "1.5", "1e300", "abc", ""}) EXPECT_EQ(in_digits(none), "");
}

}  // namespace
}  // namespace tessera::experiment
