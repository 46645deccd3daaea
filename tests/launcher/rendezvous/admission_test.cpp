#include "launcher/rendezvous/admission.h"

#include <gtest/gtest.h>

#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

v1::JoinRequest good() { return CoordinatorDriver::request("a", CoordinatorDriver::job(1, 2)); }

TEST(Admission, AGoodRequestHasNoTrouble) { EXPECT_FALSE(trouble_with(good())); }

TEST(Admission, TheSecretComesFirstThenTheNodeThenTheJob) {
  v1::JoinRequest request = good();
  request.mutable_job()->set_max_restarts(-1);
  EXPECT_EQ(trouble_with(request)->text, "expected no negative number of restarts");
  request.mutable_node()->set_slots(0);
  EXPECT_EQ(trouble_with(request)->text, "expected 1 to 4096 ranks on a node, got 0");
  request.set_secret("short");
  EXPECT_EQ(trouble_with(request)->text, "expected a secret of 16 to 64 bytes, got 5");
  EXPECT_EQ(trouble_with(request)->why, Refused::bad_argument);
}

TEST(Admission, AnotherJobDiffersInAnyOfItsNumbers) {
  v1::Job job = CoordinatorDriver::job(1, 2, 3);
  EXPECT_FALSE(difference_of(job, job));
  for (const v1::Job& other : {CoordinatorDriver::job(2, 2, 3), CoordinatorDriver::job(1, 3, 3),
                               CoordinatorDriver::job(1, 2, 4)}) {
    auto difference = difference_of(job, other);
    ASSERT_TRUE(difference);
    EXPECT_EQ(difference->why, Refused::conflict);
  }
  EXPECT_EQ(
      difference_of(job, CoordinatorDriver::job(1, 2, 4))->text,
      "the job is of 1 to 2 nodes and 3 restarts, this agent's of 1 to 2 nodes and 4 restarts");
}

}  // namespace
}  // namespace tessera::rendezvous
