// Runs with the optimizers that a config can choose: one digest on any ranks, and after stops.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/parallel.h"
#include "distributed/checkpoint/manifest.h"
#include "distributed/comm/direct/thread_communicator.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/plan.h"
#include "launcher/experiment/ranks.h"
#include "launcher/experiment/trainer.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

constexpr const char* kSmallGpt =
    "model: {name: gpt, layers: 2, heads: 2, width: 16, context: 16}\n";

// Runs of a small language model through the trainer.
class OptimizerRuns : public testing::Test {
 protected:
  OptimizerRuns() {
    std::string text;
    for (int i = 0; text.size() < 4000; ++i) text += fmt::format("line {} of it\n", i * 7);
    folder_.write("text", text);
  }

  Config config(const std::string& name, const std::string& optim,
                std::vector<std::string> overrides) const {
    overrides.push_back("run.dir=" + (folder_ / name));
    if (optim.find("schedule_free") != std::string::npos) {
      overrides.insert(overrides.begin(), "schedule.name=constant");
    }
    std::string yaml = std::string(kSmallGpt) +
                       "run: {steps: 4, eval_batches: 1}\ncompute: {threads: 1}\n"
                       "data: {name: text, path: " +
                       (folder_ / "text") + ", micro_batch: 1, leaves: 4}\noptim: {" + optim + "}";
    return load_config(yaml, "test.yaml", overrides, builtin_catalog());
  }
  int train(const std::string& name, const std::string& optim, int ranks,
            const std::vector<std::string>& overrides = {}) const {
    return train_threads(ranks, [&] {
      set_num_threads(1);
      return std::make_unique<Trainer>(config(name, optim, overrides));
    });
  }
  std::vector<nlohmann::json> records(const std::string& name) const {
    std::ifstream file(folder_ / (name + "/metrics.jsonl"));
    std::vector<nlohmann::json> out;
    for (std::string line; std::getline(file, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }
  std::string digest(const std::string& name) const {
    return records(name).back().value("digest", "none");
  }

  test::TempDir folder_;
};

constexpr std::pair<const char*, const char*> kRuns[] = {
    {"adamw", "name: adamw, lr: 0.01, groups: '*.bias: beta1=0.5; wte.*: beta2=0.99, lr=0.002'"},
    {"sgd",
     "name: sgd, lr: 0.1, momentum: 0.9, groups: '*.bias: momentum=0; wpe.*: nesterov=true'"},
    {"muon", "name: muon, lr: 0.02, adamw_lr: 0.01, groups: 'blocks.1.*: momentum=0.5'"},
    {"adafactor", "name: adafactor, lr: 0.05, ema: 0.9, groups: '*.weight: clip=2'"},
    {"nadam", "name: nadam, lr: 0.01, swa_start: 2, groups: '*.bias: momentum_decay=0.1'"},
    {"adamw_schedule_free", "name: adamw_schedule_free, lr: 0.02, warmup_steps: 1"},
    {"lbfgs", "name: lbfgs, max_iter: 2, history_size: 3"}};

TEST_F(OptimizerRuns, EndWithOneDigestUnderAnyRanksAndStrategy) {
  std::map<std::string, std::string> digests;
  for (const auto& [name, optim] : kRuns) {
    std::string alone = std::string(name) + "1";
    std::string two = std::string(name) + "2";
    ASSERT_EQ(train(alone, optim, 1), 0) << name;
    EXPECT_LT(records(alone)[3]["loss"], records(alone)[0]["loss"]) << name;
    ASSERT_EQ(train(two, optim, 2, {"parallel.strategy=zero3"}), 0) << name;
    EXPECT_EQ(digest(two), digest(alone)) << name;
    EXPECT_TRUE(digests.emplace(digest(alone), name).second) << name;
  }
  // What groups say counts.
  ASSERT_EQ(train("plain", "name: muon, lr: 0.02, adamw_lr: 0.01", 1), 0);
  EXPECT_FALSE(digests.contains(digest("plain")));
}

TEST_F(OptimizerRuns, GoOnFromACheckpointUnderOtherRanks) {
  constexpr int kStopped = 75;
  for (const auto& [name, optim] : kRuns) {
    std::string whole = std::string(name) + "-whole";
    ASSERT_EQ(train(whole, optim, 1), 0) << name;
    ASSERT_EQ(train(name, optim, 2, {"run.stop_after=2", "parallel.strategy=zero2"}), kStopped);
    ASSERT_EQ(train(name, optim, 1, {"run.resume=auto"}), 0) << name;
    EXPECT_EQ(digest(name), digest(whole)) << name;
  }
}

// A rate that falls after evaluations, on all ranks alike, and from where a run was stopped.
TEST_F(OptimizerRuns, FollowEvaluations) {
  const std::string optim = "name: sgd, lr: 0.5";
  std::vector<std::string> plateau{"run.steps=40",        "run.eval_every=3",
                                   "schedule.patience=0", "schedule.name=plateau",
                                   "schedule.warmup=4",   "schedule.threshold=0.05"};
  ASSERT_EQ(train("whole", optim, 1, plateau), 0);
  std::set<double> rates;
  for (const nlohmann::json& record : records("whole")) {
    if (record.contains("lr") && record["step"] > 4) rates.insert(record["lr"].get<double>());
  }
  EXPECT_GT(rates.size(), 2U);
  plateau.emplace_back("parallel.strategy=zero3");
  auto with = [&](const std::string& more) {
    std::vector<std::string> all = plateau;
    all.emplace_back("run.resume=auto");
    all.push_back(more);
    return all;
  };
  // Between evaluations, and after one.
  for (std::string step : {"20", "21"}) {
    ASSERT_EQ(train("parts" + step, optim, 2, with("run.stop_after=" + step)), 75);
    ASSERT_EQ(train("parts" + step, optim, 3, with("run.steps=40")), 0);
    EXPECT_EQ(digest("parts" + step), digest("whole")) << step;
  }
  // A run that had ended, once or twice.
  for (int i = 0; i < 2; ++i) ASSERT_EQ(train("longer", optim, 2, with("run.steps=21")), 0);
  ASSERT_EQ(train("longer", optim, 2, with("run.steps=40")), 0);
  EXPECT_EQ(digest("longer"), digest("whole"));
}

TEST_F(OptimizerRuns, NameTheCheckpointWhoseLoopIsNone) {
  std::vector<std::string> plateau{"schedule.name=plateau", "run.eval_every=1"};
  std::vector<std::string> first = plateau;
  first.emplace_back("run.stop_after=2");
  ASSERT_EQ(train("run", "name: sgd", 1, first), 75);
  std::string path = folder_ / "run/checkpoints/step-00000002/manifest.json";
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  Manifest manifest = parse_manifest(text, ManifestKind::whole, path);
  ASSERT_TRUE(manifest.info.loop.starts_with("plateau 0x")) << manifest.info.loop;
  manifest.info.loop[8] = 'z';
  std::ofstream(path) << format_manifest(manifest, ManifestKind::whole);
  plateau.emplace_back("run.resume=auto");
  auto comm = make_self_communicator();
  Trainer trainer(config("run", "name: sgd", plateau));
  std::string error = error_of([&] { trainer.run(*comm); });
  EXPECT_TRUE(contains(error, "step-00000002: [PlateauSchedule] expected two rates")) << error;
}

TEST_F(OptimizerRuns, ArePlannedByOneOfSeveralEvaluations) {
  for (const StrategyPlan& plan :
       make_plan(config("run", "name: lbfgs, max_iter: 2", {}), {.ranks = 2}).strategies) {
    EXPECT_EQ(plan.left_out,
              "it evaluates the loss up to 3 times in a step, and this is one of them")
        << plan.strategy;
  }
}

// A step with a high loss is skipped on all ranks, also where the run was stopped before.
TEST_F(OptimizerRuns, SkipOutliers) {
  const std::string optim = "name: sgd, lr: 1e-6, skip_outliers: 0.5, outlier_window: 3";
  std::vector<std::string> longer{"run.steps=16"};
  ASSERT_EQ(train("whole", optim, 1, longer), 0);
  std::ifstream log(folder_ / "whole/log/rank-0.txt");
  std::string text{std::istreambuf_iterator<char>(log), {}};
  EXPECT_TRUE(contains(text, " is skipped: the "));
  int64_t skipped = 0;
  for (const nlohmann::json& record : records("whole")) {
    if (!record.value("skipped", false)) continue;
    ++skipped;
    std::string line = fmt::format("step {} is skipped: the ", record.at("step").get<int64_t>());
    EXPECT_TRUE(contains(text, line));
  }
  EXPECT_GE(skipped, 1);
  EXPECT_LT(skipped, 13);
  longer.emplace_back("parallel.strategy=zero3");
  std::vector<std::string> first = longer;
  first.emplace_back("run.stop_after=7");
  ASSERT_EQ(train("parts", optim, 2, first), 75);
  longer.emplace_back("run.resume=auto");
  ASSERT_EQ(train("parts", optim, 2, longer), 0);
  EXPECT_EQ(digest("parts"), digest("whole"));
  ASSERT_EQ(train("plain", "name: sgd, lr: 1e-6", 1, {"run.steps=16"}), 0);
  EXPECT_NE(digest("plain"), digest("whole"));
}

TEST_F(OptimizerRuns, ReplaceAScheduleOrHaveOne) {
  EXPECT_EQ(
      error_of([&] {
        Trainer trainer(config("run", "name: adamw_schedule_free", {"schedule.name=cosine"}));
      }),
      "schedule.name: cosine does not go with optim.name: adamw_schedule_free, which is for a "
      "rate that stays (and has a warm-up of its own): constant does");
}

TEST_F(OptimizerRuns, DoNotGoOnWithTheStateOfAnotherRule) {
  ASSERT_EQ(train("run", "name: muon", 1, {"run.stop_after=1"}), 75);
  auto refusal = [&](const std::string& optim) {
    return error_of(
        [&] { Trainer trainer(config("other", optim, {"run.resume=" + (folder_ / "run")})); });
  };
  EXPECT_EQ(refusal("name: muon, momentum: 0.5, groups: 'blocks.0.*: lr=0.1, momentum=0.9'"), "");
  EXPECT_TRUE(contains(refusal("name: muon, adamw_for: '*wte.*'"),
                       "it has no 'momentum_buffer/wpe.weight', which this run needs"));
  EXPECT_TRUE(contains(refusal("name: sgd, momentum: 0.9"),
                       "it has no 'momentum_buffer/wte.weight', which this run needs"));
  ASSERT_EQ(train("sgd", "name: sgd, momentum: 0.9", 1, {"run.stop_after=1"}), 75);
  EXPECT_TRUE(contains(error_of([&] {
                         Trainer trainer(config("other",
                                                "name: sgd, momentum: 0.9, groups: "
                                                "'*.bias: momentum=0'",
                                                {"run.resume=" + (folder_ / "sgd")}));
                       }),
                       "for which this run has no use"));
}

}  // namespace
}  // namespace tessera::experiment
