#include "launcher/rendezvous/job_facts.h"

#include <gtest/gtest.h>

#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

TEST(JobFacts, TermsComeOnceAndAreZerosBefore) {
  JobFacts facts({});
  EXPECT_FALSE(facts.has_terms());
  EXPECT_EQ(facts.terms().max_nodes(), 0);
  facts.agree(CoordinatorDriver::job(1, 2));
  facts.agree(CoordinatorDriver::job(3, 4));
  EXPECT_TRUE(facts.has_terms());
  EXPECT_EQ(facts.terms().max_nodes(), 2);
}

TEST(JobFacts, TheFirstWishToStopCounts) {
  JobFacts facts({});
  EXPECT_TRUE(facts.ask_to_stop("one"));
  EXPECT_FALSE(facts.ask_to_stop("two"));
  EXPECT_EQ(facts.stop_reason(), "one");
}

TEST(JobFacts, AJobThatIsOverStaysSo) {
  JobFacts facts({});
  EXPECT_FALSE(facts.is_over());
  v1::Failure failure = failure_of(v1::Failure::KIND_EXIT, 3, 0);
  facts.finish(3, "rank 0 failed", &failure);
  facts.finish(0, "done", nullptr);
  EXPECT_TRUE(facts.is_over());
  EXPECT_EQ(facts.finished().exit_code(), 3);
  EXPECT_EQ(facts.finished().failure().value(), 3);
  EXPECT_FALSE(facts.ask_to_stop("too late"));
  EXPECT_FALSE(facts.stop_reason());
}

TEST(JobFacts, ComeBackFromTheirRecords) {
  JobFacts facts({});
  v1::Record record;
  record.mutable_began()->set_job_id("id");
  facts.restore(record);
  *record.mutable_job() = CoordinatorDriver::job(1, 2);
  facts.restore(record);
  record.set_draining("why");
  facts.restore(record);
  record.set_gone(7);
  facts.restore(record);
  EXPECT_FALSE(facts.is_over());
  record.mutable_finished()->set_exit_code(75);
  facts.restore(record);
  EXPECT_EQ(facts.began().job_id(), "id");
  EXPECT_EQ(facts.terms().min_nodes(), 1);
  EXPECT_EQ(facts.stop_reason(), "why");
  EXPECT_EQ(facts.finished().exit_code(), 75);
}

}  // namespace
}  // namespace tessera::rendezvous
