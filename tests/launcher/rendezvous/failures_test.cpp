#include "launcher/rendezvous/failures.h"

#include <gtest/gtest.h>

#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

using Failure = v1::Failure;

TEST(Failures, GiveExitCodesAsAShellDoes) {
  EXPECT_EQ(exit_code_of(failure_of(Failure::KIND_EXIT, 7, 0)), 7);
  EXPECT_EQ(exit_code_of(failure_of(Failure::KIND_EXIT, 0, 0)), 1);
  EXPECT_EQ(exit_code_of(failure_of(Failure::KIND_EXIT, 256, 0)), 1);
  EXPECT_EQ(exit_code_of(failure_of(Failure::KIND_SIGNAL, 9, 0)), 137);
  EXPECT_EQ(exit_code_of(failure_of(Failure::KIND_SIGNAL, 65, 0)), 1);
  EXPECT_EQ(exit_code_of(failure_of(Failure::KIND_LOST, 5, 0)), 1);
}

TEST(Failures, TheCauseComesBeforeItsConsequences) {
  Failure exit = failure_of(Failure::KIND_EXIT, 1, 1000);
  EXPECT_LT(precedence(failure_of(Failure::KIND_EXIT, 1, 999)), precedence(exit));
  EXPECT_LT(precedence(failure_of(Failure::KIND_SIGNAL, 9, 1400)), precedence(exit));
  EXPECT_GT(precedence(failure_of(Failure::KIND_SIGNAL, 9, 1501)), precedence(exit));
  EXPECT_LT(precedence(failure_of(Failure::KIND_LOST, 0, 99'999)), precedence(exit));
  EXPECT_GT(precedence(failure_of(Failure::KIND_LAPSED, 0, 0)), precedence(exit));
  EXPECT_LT(precedence(failure_of(Failure::KIND_EXIT, 1, 1000, 0)),
            precedence(failure_of(Failure::KIND_EXIT, 1, 1000, 1)));
}

TEST(Failures, OnlyTheRanksOwnCausesCanBeShared) {
  EXPECT_EQ(shared_cause_of(failure_of(Failure::KIND_EXIT, 3, 0)),
            shared_cause_of(failure_of(Failure::KIND_EXIT, 3, 9, 5)));
  EXPECT_NE(shared_cause_of(failure_of(Failure::KIND_EXIT, 3, 0)),
            shared_cause_of(failure_of(Failure::KIND_EXIT, 4, 0)));
  EXPECT_NE(shared_cause_of(failure_of(Failure::KIND_SIGNAL, 11, 0)), "");
  EXPECT_EQ(shared_cause_of(failure_of(Failure::KIND_SIGNAL, 9, 0)), "");
  EXPECT_EQ(shared_cause_of(failure_of(Failure::KIND_HANG, 0, 0)), "");
  EXPECT_EQ(shared_cause_of(failure_of(Failure::KIND_LOST, 0, 0)), "");
}

TEST(Failures, OfNodesSayWhichAndHow) {
  EXPECT_EQ(loss_of("a", 2600).text(), "node a was not heard of for 2.6 s");
  EXPECT_EQ(loss_of("a", 2600).kind(), Failure::KIND_LOST);
  EXPECT_EQ(loss_of("a", 2600).rank(), -1);
  EXPECT_EQ(departure_of("b").text(), "node b left");
  EXPECT_EQ(departure_of("b").host(), "b");
  EXPECT_EQ(text_of(late_start(60'000)), "not all nodes were ready for their ranks within 60 s");
  EXPECT_EQ(text_of(Failure()), "a node ended its ranks");
}

}  // namespace
}  // namespace tessera::rendezvous
