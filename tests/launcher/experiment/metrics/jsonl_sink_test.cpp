#include "launcher/experiment/metrics/jsonl_sink.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

using Kind = MetricRecord::Kind;
using test::TempDir;

TEST(JsonlSink, ARecordIsALineWithItsMetrics) {
  TempDir folder;
  {
    JsonlSink sink(folder / "m.jsonl");
    sink.record({Kind::step, 1, {{"loss", 2.5}, {"memory_bytes", int64_t{1} << 40}}});
    sink.record({Kind::evaluation, 1, {{"accuracy", 0.25}, {"improved", true}}});
    sink.record({Kind::stopped, 2});
    sink.record({Kind::final, 3, {{"digest", "ab"}}});
  }
  EXPECT_EQ(folder.read("m.jsonl"),
            "{\"loss\":2.5,\"memory_bytes\":1099511627776,\"step\":1}\n"
            "{\"accuracy\":0.25,\"improved\":true,\"step\":1}\n"
            "{\"step\":2,\"stopped\":true}\n"
            "{\"digest\":\"ab\",\"final\":true,\"step\":3}\n");
}

TEST(JsonlSink, WhatJsonHasNotIsNullAndNoTextBreaksALine) {
  TempDir folder;
  JsonlSink sink(folder / "m.jsonl");
  sink.record(
      {Kind::step, 1, {{"loss", std::numeric_limits<double>::quiet_NaN()}, {"note", "a\nb\xff"}}});
  auto line = nlohmann::json::parse(folder.read("m.jsonl"));
  EXPECT_TRUE(line["loss"].is_null());
  EXPECT_EQ(line["note"], "a\nb\xef\xbf\xbd");
}

TEST(JsonlSink, GoesOnWithAFileOnlyWhereItIsToldTo) {
  TempDir folder;
  folder.write("m.jsonl", "{\"step\":1}\n");
  EXPECT_THROW(JsonlSink(folder / "m.jsonl"), Error);
  JsonlSink(folder / "m.jsonl", LineFileMode::extend).record({Kind::step, 2});
  EXPECT_EQ(folder.read("m.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
}

// The device takes nothing: as a full disk.
TEST(JsonlSink, LosesRecordsButNotTheFinalOne) {
  testing::internal::CaptureStderr();
  JsonlSink sink("/dev/full", LineFileMode::extend);
  sink.record({Kind::step, 1});
  sink.record({Kind::step, 2});
  EXPECT_THROW(sink.record({Kind::final, 3}), Error);
  std::string told = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1) << told;
  EXPECT_NE(told.find("/dev/full: cannot write"), std::string::npos) << told;
}

}  // namespace
}  // namespace tessera::experiment
