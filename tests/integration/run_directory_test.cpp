// What a run leaves, and what can be done with it.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kCheckpoint = "checkpoints/step-00000003";

// The files of a run with a checkpoint of that many ranks' parts.
std::set<std::string> run_files(int ranks) {
  std::set<std::string> files{"config.yaml", "metrics.jsonl", "log/lock", "checkpoints/latest",
                              kCheckpoint + std::string("/manifest.json")};
  for (int rank = 0; rank < ranks; ++rank) {
    files.insert("log/rank-" + std::to_string(rank) + ".txt");
    std::string part =
        std::string(kCheckpoint) + "/rank-" + std::to_string(rank) + "-of-" + std::to_string(ranks);
    files.insert(part + ".json");
    files.insert(part + ".safetensors");
  }
  return files;
}

class RunDirectory : public testing::Test {
 protected:
  Outcome train(const std::string& config, const Words& more) {
    return run(tessera(Words{"train", config} + more));
  }
  // Three steps of the small model in the folder `name`.
  Outcome train_in(const std::string& name) {
    return train(kQuickstart, kTinyModel + Words{"run.steps=3", "run.dir=" + (folder_ / name)});
  }
  std::vector<json> records(const std::string& name) {
    std::vector<json> out;
    for (const std::string& line : lines_of(folder_.read(name + "/metrics.jsonl"))) {
      out.push_back(json::parse(line));
    }
    return out;
  }
  std::string generate(const std::string& name, const Words& more) {
    Outcome outcome = run(tessera(Words{"generate", folder_ / name, "--prompt", "And God"} + more));
    EXPECT_TRUE(succeeded(outcome));
    return outcome.out;
  }

  TempDir folder_;
};

std::set<std::string> keys_of(const json& record) {
  std::set<std::string> keys;
  for (const auto& item : record.items()) keys.insert(item.key());
  return keys;
}

std::set<std::string> files_in(const std::string& dir) {
  std::set<std::string> found;
  for (const auto& item : fs::recursive_directory_iterator(dir)) {
    if (!item.is_directory()) found.insert(fs::relative(item.path(), dir).string());
  }
  return found;
}

TEST_F(RunDirectory, HoldsTheseFiles) {
  Outcome outcome = train_in("run");
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_EQ(files_in(folder_ / "run"), run_files(1));
  EXPECT_EQ(printed(outcome, "checkpoint"), (folder_ / "run/") + kCheckpoint);
  EXPECT_TRUE(contains(folder_.read("run/log/rank-0.txt"), printed(outcome, "digest")));
}

TEST_F(RunDirectory, EachRankKeepsALog) {
  ASSERT_TRUE(succeeded(run(tessera(Words{"debug", "-n", "2", kQuickstart} + kTinyModel +
                                    Words{"run.steps=3", "run.dir=" + (folder_ / "run")}))));
  EXPECT_EQ(files_in(folder_ / "run"), run_files(2));
}

TEST_F(RunDirectory, ConfigGivesTheSameRunAgain) {
  Outcome first = train_in("first");
  ASSERT_TRUE(succeeded(first));
  Outcome second = train(folder_ / "first/config.yaml", {"run.dir=" + (folder_ / "second")});
  ASSERT_TRUE(succeeded(second));
  EXPECT_EQ(printed(first, "digest"), printed(second, "digest"));
  std::string config = folder_.read("first/config.yaml");
  config.replace(config.find("/first"), 6, "/second");
  EXPECT_EQ(folder_.read("second/config.yaml"), config);
}

TEST_F(RunDirectory, MetricsHaveARecordAStep) {
  Outcome outcome = train_in("run");
  ASSERT_TRUE(succeeded(outcome));
  std::vector<json> all = records("run");
  ASSERT_EQ(all.size(), 4U);
  json last = all.back();
  all.pop_back();
  int step = 0;
  for (const json& record : all) {
    EXPECT_EQ(record.at("step"), ++step);
    for (const char* key :
         {"loss", "grad_norm", "lr", "tokens_per_second", "step_ms", "memory_bytes"}) {
      ASSERT_TRUE(keys_of(record).contains(key)) << key;
      EXPECT_GT(record[key], 0) << key;
    }
    EXPECT_FALSE(record.contains("final"));
  }
  EXPECT_EQ(last.at("final"), true);
  EXPECT_EQ(last.at("step"), 3);
  EXPECT_EQ(last.at("digest"), printed(outcome, "digest"));
  EXPECT_GT(last.at("valid_loss"), 0);
}

TEST_F(RunDirectory, EvaluationsAreRecords) {
  ASSERT_TRUE(succeeded(train(kQuickstart, kTinyModel + Words{"run.steps=3", "run.eval_every=1",
                                                              "run.dir=" + (folder_ / "run")})));
  std::vector<json> all = records("run");
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(keys_of(all[1]), (std::set<std::string>{"step", "valid_loss", "valid_perplexity"}));
  EXPECT_EQ(all[3].at("step"), 2);
}

TEST_F(RunDirectory, IsMadeUnderTheWorkingFolder) {
  Command command = tessera(Words{"train", kQuickstart} + kTinyModel +
                            Words{"data.path=" + kSourceDir + "/data/kjv.txt", "run.name=mine"});
  command.cwd = folder_.path();
  // Two in one second have different names.
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(succeeded(run(command)));
  EXPECT_EQ(folder_.names(), std::set<std::string>{"runs"});
  std::set<std::string> runs;
  for (const auto& item : fs::directory_iterator(folder_ / "runs/mine")) {
    runs.insert(item.path().filename().string());
  }
  EXPECT_EQ(runs.size(), 2U);
  for (const std::string& name : runs) {
    EXPECT_TRUE(std::regex_match(name, std::regex("[0-9]{8}-[0-9]{6}(-[0-9]+)?"))) << name;
  }
}

TEST_F(RunDirectory, WithoutATerminalLinesArePlain) {
  // Open MPI gives its ranks a terminal whatever its own output goes to.
  for (int ranks : {1, 2}) {
    Words words = Words{"train", kQuickstart, "run.dir=" + (folder_ / std::to_string(ranks))} +
                  kTinyModel + Words{"run.steps=25", "log.every=10"};
    Outcome outcome = run(ranks == 1 ? tessera(words) : mpirun(ranks, words));
    ASSERT_TRUE(succeeded(outcome));
    EXPECT_EQ(outcome.out.find_first_of("\r\x1b"), std::string::npos) << ranks << " ranks";
    Words shown;
    for (const std::string& line : lines_of(outcome.out)) {
      if (line.starts_with("step")) shown.push_back(line.substr(0, line.find("  loss")));
    }
    EXPECT_EQ(shown, (Words{"step  1/25", "step 10/25", "step 20/25", "step 25/25"}));
  }
}

TEST_F(RunDirectory, GeneratesTheSameTextForTheSameSeed) {
  ASSERT_TRUE(succeeded(train_in("run")));
  std::string text = generate("run", {"--length", "50", "--seed", "7"});
  EXPECT_TRUE(text.starts_with("And God")) << text;
  EXPECT_EQ(text.size(), 7U + 50 + 1) << "the prompt, the new bytes and the end of the line";
  EXPECT_EQ(generate("run", {"--length", "50", "--seed", "7"}), text);
  EXPECT_NE(generate("run", {"--length", "50", "--seed", "8"}), text);
  EXPECT_EQ(generate("run", {"--length", "0"}), "And God\n");
}

TEST_F(RunDirectory, InspectListsTheCheckpoint) {
  ASSERT_TRUE(succeeded(train_in("run")));
  Outcome folder = run(tessera({"inspect", folder_ / "run"}));
  ASSERT_TRUE(succeeded(folder));
  EXPECT_TRUE(contains(folder.out, "blocks.0."));
  EXPECT_TRUE(contains(folder.out, "step 3, "));
  Outcome file = run(tessera({"inspect", (folder_ / "run/") + kCheckpoint}));
  EXPECT_EQ(file.out, folder.out);
}

TEST(MlpFashion, LossFalls) {
  ASSERT_TRUE(fs::exists(kSourceDir + "/data/fashion-mnist"))
      << "data/fashion-mnist is missing; scripts/prepare_data makes it";
  TempDir folder;
  Outcome outcome = run(tessera({"train", kSourceDir + "/configs/mlp_fashion.yaml", "run.steps=40",
                                 "run.eval_batches=4", "run.dir=" + (folder / "run")}));
  ASSERT_TRUE(succeeded(outcome));
  Words lines = lines_of(folder.read("run/metrics.jsonl"));
  ASSERT_EQ(lines.size(), 41U);
  json first = json::parse(lines[0]);
  json last = json::parse(lines[40]);
  EXPECT_GT(first.at("samples_per_second"), 0);
  // Ten kinds: knowing nothing costs log(10) = 2.30.
  EXPECT_NEAR(first.at("loss").get<double>(), 2.30, 0.2);
  EXPECT_LT(last.at("valid_loss").get<double>(), 1.8);
  EXPECT_GT(last.at("valid_accuracy").get<double>(), 0.3);
  EXPECT_GT(last.at("valid_top5"), last.at("valid_accuracy"));
  EXPECT_TRUE(std::regex_search(
      outcome.out, std::regex("\nvalidation loss [0-9.]+, accuracy [0-9.]+%, top5 [0-9.]+%\n")))
      << outcome.out;
}

// 10,000 images, the last batch of 16, and a count that any number of ranks agrees on.
TEST(MlpFashion, IsValidatedOnAllImages) {
  TempDir folder;
  Words records;
  for (int ranks : {1, 3}) {
    std::string dir = folder / std::to_string(ranks);
    Words words{"train",
                kSourceDir + "/configs/mlp_fashion.yaml",
                "run.steps=1",
                "run.eval_batches=0",
                "run.dir=" + dir,
                "model.hidden1=8",
                "model.hidden2=8",
                "data.micro_batch=32",
                "data.path=" + kSourceDir + "/data/fashion-mnist"};
    ASSERT_TRUE(succeeded(run(ranks == 1 ? tessera(words) : mpirun(ranks, words))));
    json last = json::parse(lines_of(folder.read(std::to_string(ranks) + "/metrics.jsonl")).back());
    records.push_back(fmt::format("{} {} {}", last.at("valid_loss").dump(),
                                  last.at("valid_accuracy").dump(), last.at("valid_top5").dump()));
    double right = last.at("valid_accuracy").get<double>() * 10000;
    EXPECT_NEAR(right, std::round(right), 1e-9);
  }
  EXPECT_EQ(records[0], records[1]);
}

}  // namespace
}  // namespace tessera::test
