#include "launcher/experiment/metrics/metric_sink.h"

#include <gtest/gtest.h>

namespace tessera::experiment {
namespace {

TEST(MetricRecord, GivesNumbersByName) {
  MetricRecord record{
      .metrics = {{"loss", 2.5}, {"count", int64_t{3}}, {"good", true}, {"digest", "ab"}}};
  EXPECT_EQ(record.number("loss"), 2.5);
  EXPECT_EQ(record.number("count"), 3.0);
  for (const char* name : {"good", "digest", "lr", ""}) {
    EXPECT_FALSE(record.number(name)) << name;
  }
}

TEST(MetricRecord, OfAStepHasWhatTheStepGave) {
  StepResult result({.loss = 1.5, .grad_norm = 0.25}, 8);
  MetricRecord record = step_record(12, result, 1e-3, 0.5, 64, "tokens");
  EXPECT_EQ(record.kind, MetricRecord::Kind::step);
  EXPECT_EQ(record.step, 12);
  EXPECT_EQ(record.number("loss"), 1.5);
  EXPECT_EQ(record.number("grad_norm"), 0.25);
  EXPECT_EQ(record.number("lr"), 1e-3);
  EXPECT_EQ(record.number("tokens_per_second"), 128.0);
  EXPECT_EQ(record.number("step_ms"), 500.0);
  EXPECT_GE(record.number("memory_bytes"), 0.0);
  EXPECT_GT(record.number("since_start_s"), 0.0);
  for (const Metric& metric : record.metrics) {
    EXPECT_NE(metric.name, "skipped");
    EXPECT_NE(metric.name, "loss_scale");
  }
}

TEST(MetricRecord, OfASkippedStepSaysSo) {
  for (const StepNumbers& numbers :
       {StepNumbers{.loss = 1, .finite = false}, StepNumbers{.loss = 1, .left_out = true}}) {
    MetricRecord record = step_record(12, {numbers, 8, false, 1024}, 1e-3, 0.5, 64);
    EXPECT_EQ(record.number("loss_scale"), 1024);
    EXPECT_EQ(record.metrics.back().name, "skipped");
    EXPECT_TRUE(std::get<bool>(record.metrics.back().value));
  }
}

}  // namespace
}  // namespace tessera::experiment
