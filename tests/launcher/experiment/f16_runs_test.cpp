// Runs in f16: their loss scale, over ranks and interruptions, and what is told of skipped steps.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/plan.h"
#include "launcher/experiment/ranks.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

using test::contains;
using Words = std::vector<std::string>;

constexpr int kStopped = 75;

class F16Runs : public testing::Test {
 protected:
  F16Runs() {
    std::string text;
    for (int i = 0; text.size() < 4000; ++i) text += fmt::format("line {} of it\n", i * 7);
    folder_.write("text", text);
  }

  int train(const std::string& name, int ranks, Words overrides,
            const std::string& compute = "dtype: f16, init_scale: 67108864, growth_interval: 4") {
    overrides.push_back("run.dir=" + (folder_ / name));
    std::string yaml =
        "model: {name: gpt, layers: 1, heads: 2, width: 16, context: 16}\n"
        "run: {steps: 40, eval_batches: 1}\ndata: {name: text, path: " +
        (folder_ / "text") +
        ", micro_batch: 1, leaves: 4}\noptim: {lr: 0.01}\ncompute: {threads: 1, " + compute + "}";
    return train_threads(ranks, [&] {
      set_num_threads(1);
      return std::make_unique<Trainer>(
          load_config(yaml, "test.yaml", overrides, builtin_catalog()));
    });
  }
  // Of each step: its scale, and whether it was skipped; and the digest.
  struct Story {
    std::vector<std::pair<double, bool>> steps;
    std::string digest;
    friend bool operator==(const Story&, const Story&) = default;

    int64_t skipped(size_t begin, size_t end) const {
      int64_t count = 0;
      for (size_t i = begin; i < end; ++i) count += steps[i].second ? 1 : 0;
      return count;
    }
  };
  Story story(const std::string& name) const {
    std::ifstream file(folder_ / (name + "/metrics.jsonl"));
    Story out;
    for (std::string line; std::getline(file, line);) {
      auto record = nlohmann::json::parse(line);
      if (record.contains("loss")) {
        out.steps.emplace_back(record.value("loss_scale", 0.0), record.value("skipped", false));
      }
      out.digest = record.value("digest", "none");
    }
    return out;
  }
  std::string log(const std::string& name) const { return folder_.read(name + "/log/rank-0.txt"); }

  test::TempDir folder_;
};

TEST_F(F16Runs, AreOneRunHoweverTheyAreInterrupted) {
  ASSERT_EQ(train("whole", 1, {}), 0);
  Story whole = story("whole");
  ASSERT_EQ(whole.steps.size(), 40U);
  EXPECT_GE(whole.skipped(0, 20), 2);
  EXPECT_GE(whole.skipped(20, 40), 1);
  EXPECT_LE(whole.skipped(0, 40), 25);
  for (size_t i = 0; i + 1 < 40; ++i) {
    auto [scale, skipped] = whole.steps[i];
    double next = whole.steps[i + 1].first;
    EXPECT_TRUE(skipped ? next == scale / 2 : next == scale || next == 2 * scale) << i;
    std::string told = fmt::format("step {} is skipped: the loss is ", i + 1);
    EXPECT_EQ(log("whole").find(told) != std::string::npos, skipped) << i;
  }
  ASSERT_EQ(train("parts", 2, {"run.stop_after=20", "parallel.strategy=zero3"}), kStopped);
  ASSERT_EQ(train("parts", 3, {"run.resume=auto", "parallel.strategy=zero2"}), 0);
  EXPECT_EQ(story("parts"), whole);
  // The scale counts.
  ASSERT_EQ(train("other", 1, {}, "dtype: f16, init_scale: 67108864, growth_interval: 5"), 0);
  EXPECT_NE(story("other").digest, whole.digest);
}

TEST_F(F16Runs, HaveAScaleThatStaysWhereTheyAreToldOne) {
  ASSERT_EQ(train("fits", 1, {"run.steps=6"}, "dtype: f16, loss_scale: 64"), 0);
  Story fits = story("fits");
  EXPECT_EQ(fits.steps, (std::vector<std::pair<double, bool>>(6, {64.0, false})));
  // And end where nothing but skipped steps comes of it.
  EXPECT_EQ(train("huge", 1, {"run.steps=200"}, "dtype: f16, loss_scale: 1e30"), 1);
  Story huge = story("huge");
  EXPECT_EQ(huge.steps.size(), 100U);
  EXPECT_EQ(huge.skipped(0, 100), 100);
  EXPECT_EQ(huge.steps.back().first, static_cast<float>(1e30));
  EXPECT_TRUE(contains(log("huge"), "failed: step 100: "));
}

TEST_F(F16Runs, CanBePlanned) {
  Config config =
      load_config("model: {name: gpt, layers: 1, heads: 2, width: 16, context: 16}\ndata: {path: " +
                      (folder_ / "text") + ", leaves: 4}\ncompute: {dtype: f16}",
                  "test.yaml", {}, builtin_catalog());
  Plan plan = make_plan(config, {.ranks = 2});
  for (const StrategyPlan& strategy : plan.strategies) {
    EXPECT_EQ(strategy.refusal, "") << strategy.strategy;
    EXPECT_GT(strategy.optimizer, 0) << strategy.strategy;
  }
  EXPECT_EQ(plan.strategies[0].gradients, 2 * plan.strategies[0].parameters);
}

TEST_F(F16Runs, TellOfALastStepThatWasNotFiniteInOtherDtypesToo) {
  EXPECT_EQ(train("f32", 1, {"optim.lr=1e30", "optim.clip_norm=0"}, "dtype: f32"), 1);
  Story story_of = story("f32");
  size_t steps = story_of.steps.size();
  ASSERT_GE(steps, 2U);
  EXPECT_EQ(story_of.skipped(0, steps), 1);
  EXPECT_TRUE(story_of.steps.back().second);
  EXPECT_EQ(story_of.steps.back().first, 0) << "no loss scale";
}

}  // namespace
}  // namespace tessera::experiment
