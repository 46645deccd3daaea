#include "launcher/experiment/config/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace tessera::experiment {
namespace {

TEST(Nearest, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("laers", "layers"), 1u);
  EXPECT_EQ(edit_distance("setps", "steps"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);
}

TEST(Nearest, SuggestsOnlyWhatIsNear) {
  std::vector<std::string> known{"layers", "heads", "lr"};
  EXPECT_EQ(nearest("laers", known), "layers");
  EXPECT_EQ(nearest("head", known), "heads");
  EXPECT_EQ(nearest("l", known), "lr");
  EXPECT_EQ(nearest("optimizer", known), std::nullopt);
  EXPECT_EQ(nearest("", known), std::nullopt);
  EXPECT_EQ(nearest(std::string(1 << 20, 'l'), known), std::nullopt);
  EXPECT_EQ(nearest("x", std::vector<std::string>{"y"}), std::nullopt);
  EXPECT_EQ(nearest("ac", std::vector<std::string>{"ab", "ad"}), "ab");
}

TEST(Nearest, ListsTheKnownWordsOtherwise) {
  std::vector<std::string> known{"layers", "heads"};
  EXPECT_EQ(suggestion("haeds", known, "its keys are"), "; did you mean 'heads'?");
  EXPECT_EQ(suggestion("zzz", known, "its keys are"), "; its keys are layers, heads");
}

}  // namespace
}  // namespace tessera::experiment
