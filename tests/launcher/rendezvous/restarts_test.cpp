#include "launcher/rendezvous/restarts.h"

#include <gtest/gtest.h>

#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

const v1::Failure kExit3 = failure_of(v1::Failure::KIND_EXIT, 3, 0);

TEST(Restarts, TheFirstForACauseIsAtOnce) {
  Restarts restarts({});
  restarts.add(kExit3, 0, 1000);
  EXPECT_EQ(restarts.count(), 1);
  EXPECT_FALSE(restarts.is_pausing(1000));
  EXPECT_EQ(restarts.text(5), "restart 1 of 5");
}

TEST(Restarts, ThePauseDoublesUpToTheLongest) {
  Restarts restarts({.pause = 1000, .longest_pause = 5000});
  restarts.add(kExit3, 0, 0);
  for (Millis pause : {1000, 2000, 4000, 5000, 5000}) {
    restarts.add(kExit3, 0, 0);
    EXPECT_TRUE(restarts.is_pausing(pause - 1)) << pause;
    EXPECT_FALSE(restarts.is_pausing(pause)) << pause;
  }
  EXPECT_EQ(restarts.text(9),
            "restart 6 of 9 waits 5 s: one cause has ended 6 generations without progress");
}

TEST(Restarts, ManyDoNotOverflowThePause) {
  Restarts restarts({.pause = 1000, .longest_pause = 30'000});
  for (int i = 0; i < 200; ++i) restarts.add(kExit3, 0, 0);
  EXPECT_TRUE(restarts.is_pausing(29'999));
  EXPECT_FALSE(restarts.is_pausing(30'000));
}

TEST(Restarts, ProgressOrAnotherCauseBeginsAnew) {
  Restarts restarts({});
  restarts.add(kExit3, 10, 0);
  restarts.add(kExit3, 11, 0);
  EXPECT_FALSE(restarts.is_pausing(0)) << "progress";
  restarts.add(failure_of(v1::Failure::KIND_EXIT, 4, 0), 11, 0);
  EXPECT_FALSE(restarts.is_pausing(0)) << "another cause";
  restarts.add(failure_of(v1::Failure::KIND_EXIT, 4, 0), 5, 0);
  EXPECT_TRUE(restarts.is_pausing(0)) << "not even as far as before";
}

TEST(Restarts, WhatComesFromOutsideIsNoSharedCause) {
  Restarts restarts({});
  for (int i = 0; i < 5; ++i) restarts.add(failure_of(v1::Failure::KIND_LOST, 0, 0), 0, 0);
  EXPECT_FALSE(restarts.is_pausing(0));
}

TEST(Restarts, TheCountIsRestoredAndAPauseOfTheProcessAddsToOne) {
  Restarts restarts({.pause = 1000});
  restarts.restore(7);
  EXPECT_EQ(restarts.text(9), "restart 7 of 9");
  restarts.add(kExit3, 0, 0);
  restarts.add(kExit3, 0, 0);
  restarts.skip(500);
  EXPECT_TRUE(restarts.is_pausing(1499));
  EXPECT_FALSE(restarts.is_pausing(1500));
}

}  // namespace
}  // namespace tessera::rendezvous
