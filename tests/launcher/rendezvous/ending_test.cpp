#include "launcher/rendezvous/ending.h"

#include <gtest/gtest.h>

namespace tessera::rendezvous {
namespace {

Ending graceful_at(Millis now) {
  Ending ending({.grace = 1000, .bereaved = 100});
  ending.begin(graceful_ending(v1::Record::Ending::KIND_DRAIN, "why"), now);
  return ending;
}

TEST(Ending, OfAFailureIsHardAndSaysIt) {
  v1::Failure failure;
  failure.set_text("rank 1 failed");
  v1::Record::Ending ending = ending_of(failure);
  EXPECT_FALSE(ending.graceful());
  EXPECT_EQ(ending.reason(), "rank 1 failed");
  EXPECT_EQ(ending.kind(), v1::Record::Ending::KIND_FAILURE);
  EXPECT_EQ(ending_of(v1::Failure()).reason(), "a node ended its ranks");
}

TEST(Ending, IsLateAfterItsGrace) {
  Ending ending = graceful_at(50);
  EXPECT_TRUE(ending.what().graceful());
  EXPECT_FALSE(ending.is_late(1050));
  EXPECT_TRUE(ending.is_late(1051));
}

TEST(Ending, IsLateSoonerForThoseThatWaitForTheDead) {
  Ending ending = graceful_at(0);
  ending.note_bad_end(200);
  ending.note_bad_end(290);
  EXPECT_FALSE(ending.is_late(300));
  EXPECT_TRUE(ending.is_late(301));
}

TEST(Ending, OnceHardStaysHardAndCountsAnew) {
  Ending ending = graceful_at(0);
  ending.note_bad_end(0);
  ending.harden(500);
  EXPECT_FALSE(ending.what().graceful());
  EXPECT_EQ(ending.what().reason(), "why");
  EXPECT_FALSE(ending.is_late(1500));
  EXPECT_TRUE(ending.is_late(1501));
}

TEST(Ending, APauseOfTheProcessDoesNotCount) {
  Ending ending = graceful_at(0);
  ending.note_bad_end(50);
  ending.skip(5000);
  EXPECT_FALSE(ending.is_late(5150));
  EXPECT_TRUE(ending.is_late(5151));
}

TEST(Ending, AfterARestartTheGraceBeginsAnew) {
  Ending ending({.grace = 1000});
  ending.restore(graceful_ending(v1::Record::Ending::KIND_REGROUP, "a node has joined"));
  ending.resume(7000);
  EXPECT_EQ(ending.what().reason(), "a node has joined");
  EXPECT_FALSE(ending.is_late(8000));
  EXPECT_TRUE(ending.is_late(8001));
}

}  // namespace
}  // namespace tessera::rendezvous
