#include "launcher/experiment/outlier_watch.h"

#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

// Losses of 1 and 3 in turn: a mean of 2 and a deviation of 1.
OutlierWatch filled(double z) {
  OutlierWatch watch(z, 4);
  for (double loss : {1, 3, 1, 3}) EXPECT_EQ(watch.look(loss, 2), "");
  return watch;
}

TEST(OutlierWatch, NamesWhatLiesFarAboveTheMean) {
  EXPECT_EQ(filled(3).look(5, 2), "");
  EXPECT_EQ(
      filled(3).look(5.5, 2),
      "the loss is 5.5, 3.5 above the mean of the last 4 steps, whose standard deviation is 1");
  EXPECT_EQ(filled(3).look(-100, 2), "");
  EXPECT_TRUE(contains(filled(3).look(2, 2.5), "the gradient's norm is 2.5, 0.5 above the mean"));
}

TEST(OutlierWatch, JudgesNothingBeforeItsWindowIsFull) {
  OutlierWatch watch(1, 3);
  for (double loss : {1, 100, 10000}) EXPECT_EQ(watch.look(loss, 1), "");
}

TEST(OutlierWatch, GetsUsedToWhatStays) {
  OutlierWatch watch = filled(3);
  EXPECT_NE(watch.look(100, 2), "");
  for (int i = 0; i < 8; ++i) watch.look(100, 2);
  EXPECT_EQ(watch.look(100, 2), "");
}

TEST(OutlierWatch, IsNotBlindedByOneThatIsEnormous) {
  OutlierWatch watch = filled(3);
  EXPECT_NE(watch.look(1e6, 2), "");
  EXPECT_NE(watch.look(1000, 2), "");
}

TEST(OutlierWatch, GoesOnFromItsState) {
  OutlierWatch watch(3, 4);
  for (double loss : {0.1, 1.0 / 3, 7.7, 0.2}) watch.look(loss, loss / 3);
  OutlierWatch other(3, 4);
  other.restore(watch.state());
  EXPECT_EQ(other.state(), watch.state());
  EXPECT_EQ(other.look(90, 1), watch.look(90, 1));
  EXPECT_NE(watch.look(9000, 1), "");
  // The newest, where the window is shorter now.
  OutlierWatch shorter(3, 2);
  shorter.restore(filled(3).state());
  EXPECT_TRUE(contains(shorter.look(9, 2), "the last 2 steps"));
  other.restore("");
  EXPECT_EQ(other.state(), "");
  EXPECT_TRUE(contains(error_of([&] { other.restore("1 2 x"); }), "the numbers of steps"));
  EXPECT_TRUE(contains(error_of([&] { other.restore("1 2 3"); }), "two numbers of each step"));
}

}  // namespace
}  // namespace tessera::experiment
