#include "launcher/agent/fields.h"

#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera::agent {
namespace {

using test::error_of;

Fields fields_of(std::vector<std::string> fields) {
  return Fields({FrameType::rank, std::move(fields)});
}

TEST(Fields, AreReadInTheirOrder) {
  Fields fields = fields_of({"-7", "a", std::string("\0b", 2), "1,2,3", "", "A=1", "B="});
  EXPECT_EQ(fields.status(), -7);
  EXPECT_EQ(fields.text("name"), "a");
  EXPECT_EQ(fields.bytes("data"), std::string("\0b", 2));
  EXPECT_EQ(fields.numbers("list", 0, 9), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_TRUE(fields.numbers("list", 0, 9).empty());
  EXPECT_EQ(fields.environment(), (std::vector<std::string>{"A=1", "B="}));
  fields.end();
}

TEST(Fields, WhatCannotBeIsNamed) {
  EXPECT_EQ(error_of([] { fields_of({}).bytes("data"); }),
            "[rank] expected a field for data, got the end");
  EXPECT_EQ(error_of([] { fields_of({std::string("a\0", 2)}).text("name"); }),
            "[rank] expected text for name, got a zero byte");
  for (const char* wrong : {"", "x", "1x", " 1", "10", "-1", "99999999999999999999"}) {
    EXPECT_EQ(error_of([&] { fields_of({wrong}).number("count", 0, 9); }),
              fmt::format("[rank] expected a number from 0 to 9 for count, got '{}'", wrong));
  }
  EXPECT_NE(error_of([] { fields_of({"1,,2"}).numbers("list", 0, 9); }), "");
  EXPECT_NE(error_of([] { fields_of({"2147483648"}).status(); }), "");
  EXPECT_EQ(error_of([] { fields_of({"a"}).texts("arguments", 2); }),
            "[rank] expected 2 fields for arguments, got 1");
  for (const char* wrong : {"", "=1", "novalue"}) {
    EXPECT_NE(error_of([&] { fields_of({wrong}).environment(); }), "") << wrong;
  }
  EXPECT_EQ(error_of([] { fields_of({"1"}).end(); }), "[rank] expected 0 fields for end, got 1");
}

TEST(Split, KeepsEmptyParts) {
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(split("a,b", ','), (Parts{"a", "b"}));
  EXPECT_EQ(split("", ','), Parts{""});
  EXPECT_EQ(split(",", ','), (Parts{"", ""}));
}

}  // namespace
}  // namespace tessera::agent
