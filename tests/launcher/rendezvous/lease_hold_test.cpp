#include "launcher/rendezvous/lease_hold.h"

#include <gtest/gtest.h>

namespace tessera::rendezvous {
namespace {

const Settings kSettings = {.lease = 400, .margin = 50};

TEST(LeaseHold, WithoutALossNothingHasToBeWaitedFor) {
  LeaseHold hold(kSettings, 100);
  EXPECT_TRUE(hold.is_over(100));
}

TEST(LeaseHold, ALossHoldsForTheLeaseAndTheMargin) {
  LeaseHold hold(kSettings, 0);
  hold.note_lost(1000);
  EXPECT_FALSE(hold.is_over(1449));
  EXPECT_TRUE(hold.is_over(1450));
}

TEST(LeaseHold, TheLastOfSeveralCounts) {
  LeaseHold hold(kSettings, 0);
  hold.note_lost(1000);
  hold.note_lost(700);
  EXPECT_FALSE(hold.is_over(1449));
  hold.note_lost(1200);
  EXPECT_FALSE(hold.is_over(1649));
  EXPECT_TRUE(hold.is_over(1650));
}

TEST(LeaseHold, ARestartHoldsAnewAndAPauseOfTheProcessDoesNotCount) {
  LeaseHold hold(kSettings, 0);
  hold.restart(2000);
  EXPECT_FALSE(hold.is_over(2449));
  hold.skip(1000);
  EXPECT_FALSE(hold.is_over(3449));
  EXPECT_TRUE(hold.is_over(3450));
}

}  // namespace
}  // namespace tessera::rendezvous
