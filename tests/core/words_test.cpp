#include "core/words.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

enum class Fruit { apple, pear, plum };
constexpr auto words_of(Fruit) {
  return std::array{Word{Fruit::pear, "a pear"}, Word{Fruit::apple, "apple"}};
}
enum class Wordless { one };

static_assert(HasWords<Fruit> && !HasWords<Wordless> && !HasWords<int>);

TEST(Words, AreThoseOfTheTableBothWays) {
  EXPECT_EQ(name(Fruit::apple), "apple");
  EXPECT_EQ(name(Fruit::pear), "a pear");
  EXPECT_EQ(value_named<Fruit>("a pear"), Fruit::pear);
  EXPECT_EQ(value_named<Fruit>("apple"), Fruit::apple);
}

TEST(Words, UnknownOnesStandForNothing) {
  for (const char* word : {"", "pear", "Apple", "apples"}) {
    EXPECT_FALSE(value_named<Fruit>(word)) << word;
  }
}

TEST(Words, AValueThatTheTableForgotIsNamedInTheError) {
  try {
    (void)name(Fruit::plum);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the value 2 has no word"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace tessera
