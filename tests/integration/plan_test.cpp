// What `tessera plan` says, held against runs.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

using std::chrono::seconds;

double bytes_of(double value, const std::string& unit) {
  const Words units{"B", "KiB", "MiB", "GiB"};
  auto at = std::find(units.begin(), units.end(), unit) - units.begin();
  EXPECT_LT(at, 4) << unit;
  return value * std::pow(1024, at);
}

const Words kStrategies{"ddp", "zero1", "zero2", "zero3", "hybrid"};

// By strategy: the columns of bytes that `tessera plan` prints.
std::map<std::string, std::vector<double>> table_of(const Outcome& outcome) {
  std::map<std::string, std::vector<double>> table;
  for (const std::string& line : lines_of(outcome.out)) {
    std::istringstream words(line);
    std::string strategy, unit;
    words >> strategy;
    if (std::find(kStrategies.begin(), kStrategies.end(), strategy) == kStrategies.end()) continue;
    double value = 0;
    std::vector<double> columns;
    while (words >> value >> unit) columns.push_back(bytes_of(value, unit));
    if (columns.size() == 6) table[strategy] = columns;
  }
  return table;
}
constexpr size_t kPeak = 4;

struct Case {
  std::string config;
  int ranks;
};
std::ostream& operator<<(std::ostream& out, const Case& test_case) {
  return out << test_case.config << " on " << test_case.ranks << " ranks";
}

class PlanMemory : public testing::TestWithParam<Case> {};

// The allocator's own peak, which every record of metrics.jsonl has.
TEST_P(PlanMemory, IsTheAllocatorsPeakWithinFivePercent) {
  auto [config, ranks] = GetParam();
  Words run_of{kSourceDir + "/configs/" + config + ".yaml", "data.leaves=" + std::to_string(ranks)};
  // With a copy of what is written to checkpoints, too.
  if (ranks == 4) run_of.emplace_back("checkpoint.every=1");
  Outcome planned = run(tessera(Words{"plan"} + run_of + Words{"--ranks", std::to_string(ranks)}));
  ASSERT_TRUE(succeeded(planned));
  auto table = table_of(planned);
  ASSERT_EQ(table.size(), 5U) << planned.out;
  for (const char* strategy : {"ddp", "zero1", "zero2", "zero3"}) {
    TempDir folder;
    Command command =
        mpirun(ranks, Words{"train"} + run_of +
                          Words{"run.dir=" + (folder / "run"), "run.steps=2", "run.eval_batches=1",
                                std::string("parallel.strategy=") + strategy});
    command.timeout = seconds(300);
    ASSERT_TRUE(succeeded(run(command)));
    std::ifstream metrics(folder / "run/metrics.jsonl");
    std::string line;
    std::getline(metrics, line);
    std::getline(metrics, line);
    auto measured = nlohmann::json::parse(line)["memory_bytes"].get<double>();
    EXPECT_NEAR(table[strategy][kPeak] / measured, 1, 0.05) << strategy;
  }
}

// gpt_char on more ranks takes minutes: under --long.
std::vector<Case> cases() {
  std::vector<Case> all{{"quickstart", 2},  {"quickstart", 4},      {"quickstart", 8},
                        {"mlp_fashion", 2}, {"mlp_fashion", 4},     {"mlp_fashion", 8},
                        {"gpt_char", 2},    {"quickstart_muon", 2}, {"cnn_fashion", 2}};
  if (std::getenv("TESSERA_TEST_WHOLE_PRODUCT")) {
    all.push_back({"gpt_char", 4});
    all.push_back({"gpt_char", 8});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Configs, PlanMemory, testing::ValuesIn(cases()), [](const auto& param) {
  return param.param.config + "_" + std::to_string(param.param.ranks);
});

// Ended well; what took long said meanwhile what it was at.
testing::AssertionResult planned_well(const Outcome& outcome) {
  bool right = !outcome.timed_out && outcome.exit_code == 0 && outcome.num_left == 0;
  Words told = lines_of(outcome.err);
  for (const std::string& line : told) right = right && line.starts_with("plan: ");
  // Half a minute without a word is too long.
  right = right && (outcome.seconds < 30 || !told.empty());
  if (right) return testing::AssertionSuccess();
  return testing::AssertionFailure() << describe(outcome);
}

Outcome plan_of(const Words& arguments) { return run(tessera(Words{"plan"} + arguments)); }

TEST(Plan, OfSevenBillionParametersOnAThousandRanksIsReadyInSeconds) {
  Command command = tessera({"plan", kSourceDir + "/configs/gpt_7b.yaml", "--ranks", "1024",
                             "--ranks-per-node", "8", "--memory", "12"});
  command.timeout = seconds(120);
  Outcome outcome = run(command);
  ASSERT_TRUE(planned_well(outcome));
  auto table = table_of(outcome);
  ASSERT_EQ(table.size(), 5U);
  // 6.66e9 parameters: of 2 bytes each, and for ddp 4 of gradients and 12 of masters and moments.
  constexpr double kParameters = 6.658e9;
  EXPECT_NEAR(table["ddp"][0], 2 * kParameters, 0.01 * kParameters);
  EXPECT_NEAR(table["ddp"][1], 4 * kParameters, 0.01 * kParameters);
  EXPECT_NEAR(table["ddp"][2], 12 * kParameters, 0.02 * kParameters);
  EXPECT_NEAR(table["zero2"][1], 4 * kParameters / 1024, 0.01 * kParameters / 1024);
  EXPECT_NEAR(table["zero3"][2], 12 * kParameters / 1024, 0.05 * kParameters / 1024);
  // Only the tied embedding, the positions and the last norm stay whole.
  constexpr double kRoot = (50257.0 + 2048 + 2) * 4096;
  EXPECT_NEAR(table["zero3"][0], 2 * (kRoot + (kParameters - kRoot) / 1024), 1e6);
  EXPECT_EQ(printed(outcome, "choice:"), "zero3, which sends least of those that fit");
}

// A plan for machines that are not this one: nothing fits here, and that is no error.
TEST(Plan, OfOtherMachinesNeedsNoMemoryToBeGiven) {
  Command command = tessera({"plan", kSourceDir + "/configs/gpt_7b.yaml", "--ranks", "1024"});
  command.timeout = seconds(180);
  Outcome outcome = run(command);
  ASSERT_TRUE(planned_well(outcome));
  EXPECT_EQ(table_of(outcome).size(), 5U);
  EXPECT_TRUE(contains(printed(outcome, "choice:"), "none fits in this machine's share"));
}

TEST(Plan, OfVeryManyRanksOrBlocksIsAnswered) {
  for (const Words& words :
       {Words{kQuickstart, "--ranks", "65536", "data.leaves=65536"},
        Words{kQuickstart, "--ranks", "8", "model.layers=1000", "model.width=1048576"}}) {
    Command command = tessera(Words{"plan"} + words);
    command.timeout = seconds(500);
    Outcome outcome = run(command);
    ASSERT_TRUE(planned_well(outcome));
    EXPECT_EQ(table_of(outcome).size(), 5U) << outcome.out;
  }
}

// One that takes minutes says from early on how far it is.
TEST(Plan, OfMoreBlocksThanThatSaysHowFarItIs) {
  Command command =
      tessera({"plan", kQuickstart, "--ranks", "8", "model.layers=10000", "model.width=1048576"});
  command.timeout = seconds(20);
  Outcome outcome = run(command);
  EXPECT_TRUE(outcome.timed_out || outcome.exit_code == 0) << describe(outcome);
  EXPECT_TRUE(contains(outcome.err, "plan: ddp: "));
}

TEST(Plan, ChoosesWhatFits) {
  Words config{kQuickstart, "data.leaves=4", "--ranks", "4"};
  EXPECT_EQ(printed(plan_of(config + Words{"--memory", "1"}), "choice:"),
            "ddp, which sends least of those that fit");
  EXPECT_TRUE(failed(plan_of(config + Words{"--memory", "0.002"}), 1,
                     {"no strategy fits in 2.048 MiB a rank"}));
}

TEST(Plan, SaysWhyAStrategyCannotBe) {
  Outcome outcome = plan_of({kQuickstart, "data.leaves=4", "--ranks", "4", "parallel.group=3"});
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_TRUE(contains(printed(outcome, "hybrid"), "4 ranks do not divide into groups of 3"));
}

TEST(Plan, RefusesWhatTrainingWould) {
  EXPECT_TRUE(failed(plan_of({kQuickstart, "data.leaves=4", "--ranks", "8"}), 2,
                     {"data.leaves: 4 leaves cannot be shared by 8 ranks"}));
  EXPECT_TRUE(failed(plan_of({kQuickstart, "--ranks", "8", "--ranks-per-node", "3"}), 2,
                     {"--ranks-per-node: 8 ranks do not divide into nodes of 3"}));
  EXPECT_EQ(plan_of({kQuickstart}).exit_code, 2);
  EXPECT_EQ(plan_of({kQuickstart, "--ranks", "0"}).exit_code, 2);
}

}  // namespace
}  // namespace tessera::test
