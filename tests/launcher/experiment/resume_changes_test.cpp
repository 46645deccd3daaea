#include "launcher/experiment/resume_changes.h"

#include <gtest/gtest.h>

#include "launcher/experiment/components/components.h"
#include "tests/support/error_of.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

using Overrides = std::vector<std::string>;

Config config_of(const Overrides& overrides) {
  return load_config("run: {steps: 12}\nschedule: {warmup: 2}\n", "test.yaml", overrides,
                     builtin_catalog());
}

// A checkpoint after step 8 of the run that `before` describes.
CheckpointInfo checkpoint(const Overrides& before) {
  Config config = config_of(before);
  return {.step = 8,
          .seed = config.run.seed,
          .data = "training: 10 samples",
          .next_lr = config.schedule.as<ScheduleSection>().lr_at(8, config.run.steps, 1e-3),
          .build = "b",
          .config = dump_yaml(config)};
}

struct Now {
  Config config;
  RunNow run;
  explicit Now(const Overrides& overrides, const std::string& data = "training: 10 samples")
      : config(config_of(overrides)), run{config, dump_yaml(config), data, "b"} {}
};

std::vector<std::string> changes(const Overrides& before, const Overrides& now) {
  return changes_since(checkpoint(before), Now(now).run);
}

std::string refusal(const Overrides& before, const Overrides& now) {
  return error_of([&] { check_resumable(checkpoint(before), Now(now).run, "CP"); });
}

TEST(ResumeChanges, TheSameRunHasNone) {
  EXPECT_EQ(changes({}, {}), Overrides{});
  EXPECT_EQ(refusal({}, {}), "");
  // How a run is started and stopped is no setting of it.
  Overrides other{"run.dir=x", "run.resume=auto", "run.stop_after=9", "run.accept_changes=true"};
  EXPECT_EQ(changes({}, other), Overrides{});
}

TEST(ResumeChanges, EveryKeyIsListedWithWhatItDoes) {
  EXPECT_EQ(changes({}, {"optim.weight_decay=0.5"}),
            Overrides{"since that checkpoint, optim.weight_decay: 0.1 -> 0.5 (from the next step "
                      "on)"});
  EXPECT_EQ(changes({}, {"parallel.strategy=zero3", "log.every=3"}),
            (Overrides{"since that checkpoint, parallel.strategy: ddp -> zero3 (the bits stay the "
                       "same)",
                       "since that checkpoint, log.every: 10 -> 3 (no weight depends on it)"}));
  EXPECT_EQ(refusal({}, {"parallel.strategy=zero3", "optim.lr=1", "data.leaves=3",
                         "compute.dtype=bf16", "schedule.warmup=7", "model.dropout=0.1"}),
            "");
}

// Keys that came with a later version.
TEST(ResumeChanges, ADefaultForAKeyThatTheCheckpointLacksIsNone) {
  auto without = [](const std::string& line) {
    CheckpointInfo info = checkpoint({});
    size_t at = info.config.find(line);
    EXPECT_NE(at, std::string::npos) << line;
    info.config.erase(at, line.size());
    return info;
  };
  for (const char* line : {"  skip_outliers: null\n", "  swa_every: 1\n", "  init_scale: 65536\n",
                           "  final_fraction: 0.1\n", "  dropout: 0\n"}) {
    EXPECT_EQ(changes_since(without(line), Now({}).run), Overrides{}) << line;
  }
  EXPECT_EQ(changes_since(without("  skip_outliers: null\n"), Now({"optim.skip_outliers=3"}).run),
            Overrides{"since that checkpoint, optim.skip_outliers: null -> 3 (from the next step "
                      "on)"});
}

TEST(ResumeChanges, TheNextRateIsSaidWhateverChangesIt) {
  for (const Overrides& now :
       {Overrides{"run.steps=30"}, Overrides{"schedule.warmup=1"},
        Overrides{"schedule.final_fraction=0.5"}, Overrides{"optim.lr=0.5"}}) {
    std::vector<std::string> lines = changes({}, now);
    EXPECT_TRUE(contains(fmt::format("{}", fmt::join(lines, "\n")),
                         "since that checkpoint, the learning rate of step 9: 0.0"))
        << now[0];
    EXPECT_EQ(refusal({}, now), "");
  }
}

TEST(ResumeChanges, ARunThatWouldEndBeforeItBeginsIsRefused) {
  EXPECT_TRUE(contains(refusal({}, {"run.steps=4"}),
                       "CP: it is of step 8, and run.steps is 4: the run would end before"));
  EXPECT_NE(refusal({}, {"run.steps=7", "run.accept_changes=true"}), "");
  EXPECT_EQ(refusal({}, {"run.steps=8"}), "");
}

TEST(ResumeChanges, WhatMakesNoSenseIsRefusedUnlessAccepted) {
  for (const char* change : {"run.seed=2", "model.heads=2", "model.activation=gelu_tanh"}) {
    EXPECT_TRUE(contains(refusal({}, {change}), "run.accept_changes=true goes on all the same"))
        << change;
    EXPECT_EQ(refusal({}, {change, "run.accept_changes=true"}), "") << change;
    EXPECT_EQ(changes({}, {change, "run.accept_changes=true"}).size(), 1U) << change;
  }
  EXPECT_TRUE(contains(refusal({}, {"run.seed=2"}),
                       "run.seed: 1 -> 2 (samples would be repeated and skipped"));
}

TEST(ResumeChanges, OtherDataAreRefusedUnlessAccepted) {
  auto with_data = [](const CheckpointInfo& info, const Overrides& overrides) {
    return error_of(
        [&] { check_resumable(info, Now(overrides, "training: 9 samples").run, "CP"); });
  };
  EXPECT_TRUE(contains(with_data(checkpoint({}), {}),
                       "the data: training: 10 samples -> training: 9 samples (samples would be "
                       "repeated and skipped); run.accept_changes=true goes on"));
  EXPECT_EQ(with_data(checkpoint({}), {"run.accept_changes=true"}), "");
  // The same bytes elsewhere are the same data.
  EXPECT_EQ(refusal({}, {"data.path=/elsewhere"}), "");
  // A checkpoint of before it was known: said, and not refused.
  CheckpointInfo old = checkpoint({});
  old.data.clear();
  EXPECT_EQ(with_data(old, {}), "");
  EXPECT_EQ(changes_since(old, Now({}).run),
            Overrides{"that checkpoint does not say what its data were"});
}

// A key that came with a later version has its default in older configs.
TEST(ResumeChanges, OlderConfigsHaveTheDefaultsOfNewKeys) {
  CheckpointInfo old = checkpoint({});
  std::string line = "  start: compare\n";
  size_t at = old.config.find(line);
  ASSERT_NE(at, std::string::npos);
  old.config.erase(at, line.size());
  EXPECT_EQ(changes_since(old, Now({}).run), Overrides{});
  EXPECT_EQ(changes_since(old, Now({"parallel.start=broadcast"}).run),
            Overrides{"since that checkpoint, parallel.start: compare -> broadcast (the bits stay "
                      "the same)"});
}

TEST(ResumeChanges, ForeignTextIsShownInOneLine) {
  CheckpointInfo info = checkpoint({});
  info.config = "run:\n  steps: \x1b[31m12\n";
  info.data = "a\x1b[0mb\nc";
  for (const std::string& line : changes_since(info, Now({}).run)) {
    EXPECT_EQ(line.find_first_of("\x1b\n"), std::string::npos);
  }
}

}  // namespace
}  // namespace tessera::experiment
