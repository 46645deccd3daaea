// `tessera bench`: that everything runs, what it writes, and what is refused. Never how fast.
#include <nlohmann/json.hpp>
#include <set>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

using nlohmann::json;

Command bench(const Words& arguments) {
  Command command = tessera(Words{"bench"} + arguments);
  command.timeout = std::chrono::seconds(300);
  return command;
}

// The first words of what --list prints.
Words listed(const Words& arguments = {}) {
  Outcome outcome = run(bench(arguments + Words{"--list"}));
  EXPECT_TRUE(succeeded(outcome));
  Words names;
  for (const std::string& line : lines_of(outcome.out)) {
    names.push_back(line.substr(0, line.find(' ')));
  }
  return names;
}

// What a file of records must be; an empty text where it is.
std::string wrong_with_record(const json& record) {
  static const std::set<std::string> kKnown{"name",    "value",  "unit",        "reference",
                                            "ratio",   "better", "spread",      "reference_name",
                                            "skipped", "error",  "repetitions", "reference_spread"};
  for (const auto& [key, value] : record.items()) {
    if (!kKnown.contains(key)) return "unknown key " + key;
  }
  for (const char* key : {"name", "value", "unit", "reference", "ratio", "better"}) {
    if (!record.contains(key)) return std::string("no ") + key;
  }
  if (!record["value"].is_number()) return "no value";
  if (record["value"].get<double>() <= 0) return "a value of " + record["value"].dump();
  if (record["better"] != "lower" && record["better"] != "higher") return "better: neither";
  if (!record.value("spread", json()).is_number()) return "no spread";
  if (record.value("repetitions", 0) < 1) return "no repetitions";
  if (record["reference"].is_null()) return record["ratio"].is_null() ? "" : "a ratio to nothing";
  if (record.value("reference_name", "").empty()) return "a reference without a name";
  double ratio = record["value"].get<double>() / record["reference"].get<double>();
  return std::abs(record["ratio"].get<double>() / ratio - 1) < 1e-9 ? "" : "a wrong ratio";
}

json read_records(const TempDir& folder, const std::string& name) {
  json file = json::parse(folder.read(name));
  EXPECT_EQ(file.at("schema"), 1);
  EXPECT_EQ(file.at("quick"), true);
  for (const char* key : {"build", "instructions", "cores", "threads"}) {
    EXPECT_TRUE(file.contains(key)) << key;
  }
  return file.at("records");
}

class BenchFamily : public testing::TestWithParam<const char*> {};

TEST_P(BenchFamily, GivesEveryRecordThatIsListed) {
  TempDir folder;
  Outcome outcome =
      run(bench({GetParam(), "--quick", "--json", folder / "out.json", "--folder", folder.path()}));
  ASSERT_TRUE(succeeded(outcome));
  json records = read_records(folder, "out.json");
  Words names;
  for (const json& record : records) {
    names.push_back(record.at("name"));
    EXPECT_EQ(wrong_with_record(record), "") << record.dump();
    EXPECT_NE(outcome.out.find(names.back() + " "), std::string::npos) << names.back();
  }
  EXPECT_EQ(names, listed({GetParam()}));
  // Nothing is left but the file.
  EXPECT_EQ(folder.names(), std::set<std::string>{"out.json"});
}

INSTANTIATE_TEST_SUITE_P(All, BenchFamily,
                         testing::Values("ops", "comm", "step", "checkpoint", "start",
                                         "rendezvous"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Bench, FindsWhatIsWrongWithARecord) {
  json right{{"name", "a.b"},  {"value", 2},       {"unit", "ns"},
             {"reference", 4}, {"ratio", 0.5},     {"better", "lower"},
             {"spread", 0},    {"repetitions", 1}, {"reference_name", "c"}};
  EXPECT_EQ(wrong_with_record(right), "");
  for (const char* key : {"name", "value", "unit", "reference", "ratio", "better", "spread",
                          "repetitions", "reference_name"}) {
    json wrong = right;
    wrong.erase(key);
    EXPECT_NE(wrong_with_record(wrong), "") << key;
  }
  json wrong = right;
  wrong["ratio"] = 2;
  EXPECT_EQ(wrong_with_record(wrong), "a wrong ratio");
}

// The names that DESIGN.md promises, of models that there are.
TEST(Bench, ListsTheRecordsOfTheDesign) {
  Words all = listed();
  std::set<std::string> names(all.begin(), all.end());
  EXPECT_EQ(names.size(), all.size()) << "a name is there twice";
  for (const char* name :
       {"ops.add_8", "ops.add_8_recorded", "ops.backward_node", "ops.gelu_64MiB",
        "ops.cross_entropy_50257", "ops.conv3x3", "comm.all_reduce.2x64MiB", "step.gpt_char.f32",
        "step.gpt_char.bf16", "step.gpt_char.f16", "step.mlp", "step.cnn", "step.weak_scaling_2",
        "checkpoint.save_500MB", "start.first_step"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  std::set<std::string> families;
  for (const std::string& name : all) families.insert(name.substr(0, name.find('.')));
  EXPECT_EQ(families,
            (std::set<std::string>{"ops", "comm", "step", "checkpoint", "start", "rendezvous"}))
      << "BenchFamily has to know every family";
}

TEST(Bench, TakesANameOrItsBeginning) {
  EXPECT_EQ(listed({"ops.add_8"}), Words{"ops.add_8"});
  EXPECT_EQ(listed({"ops.matmul.2048", "ops.add_8"}), (Words{"ops.add_8", "ops.matmul.2048"}));
  for (const std::string& name : listed({"ops.matmul"})) {
    EXPECT_TRUE(name.starts_with("ops.matmul.")) << name;
  }
}

TEST(Bench, NamesTheNearestOfAnUnknownName) {
  EXPECT_TRUE(failed(run(bench({"ops.ad_8"})), 2, {"'ops.ad_8'", "did you mean 'ops.add_8'?"}));
  EXPECT_TRUE(failed(run(bench({"opps"})), 2, {"did you mean 'ops'?"}));
  EXPECT_TRUE(failed(run(bench({"zzzzzzzz"})), 2, {"there are ops, comm, step"}));
  EXPECT_TRUE(failed(run(bench({"ops.add"})), 2, {"did you mean"}));
  EXPECT_TRUE(failed(run(bench({""})), 2, {"unknown benchmark"}));
}

// Before anything is measured, which shows in an empty output.
TEST(Bench, RefusesAFileThatCannotBeWritten) {
  TempDir folder;
  for (const std::string& path : {folder / "no/such/folder.json", folder.path(),
                                  std::string("/dev/null"), std::string("/proc/out.json")}) {
    Outcome outcome = run(bench({"ops.add_8", "--quick", "--json", path}));
    EXPECT_TRUE(failed(outcome, 2, {"--json: " + path})) << path;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_TRUE(folder.names().empty());
}

TEST(Bench, RefusesWrongOptions) {
  EXPECT_TRUE(failed(run(bench({"--folder", "/no/such/folder"})), 2, {"--folder"}));
  EXPECT_TRUE(failed(run(bench({"--repetitions", "0"})), 2, {"--repetitions"}));
  EXPECT_TRUE(failed(run(bench({"--repetitions", "-1"})), 2, {"--repetitions"}));
}

TEST(Bench, ReplacesAFileAtOnceOrLeavesIt) {
  TempDir folder;
  std::string path = folder.write("out.json", "what was there");
  Command stopped = bench({"step.gpt_char.f32", "--folder", folder.path(), "--json", path});
  Process process(stopped);
  ASSERT_TRUE(eventually(std::chrono::seconds(60), [&] { return process.members().size() > 1; }));
  process.signal(SIGINT);
  Outcome outcome = process.wait();
  EXPECT_EQ(outcome.exit_code, 130) << describe(outcome);
  EXPECT_EQ(outcome.num_left, 0U);
  EXPECT_EQ(folder.read("out.json"), "what was there");
  EXPECT_EQ(folder.names(), std::set<std::string>{"out.json"});
  ASSERT_TRUE(succeeded(run(bench({"ops.add_8", "--quick", "--json", path}))));
  EXPECT_EQ(read_records(folder, "out.json").size(), 1U);
}

// Where the files of a benchmark find no room, that one fails, and the others are still written.
TEST(Bench, OneThatFailsLeavesTheOthers) {
  TempDir folder;
  Command command = bench({"checkpoint.save_500MB", "ops.add_8", "--quick", "--folder",
                           folder.path(), "--json", folder / "out.json"});
  command.max_file_bytes = 100'000;
  Outcome outcome = run(command);
  EXPECT_TRUE(failed(outcome, 1, {"checkpoint.save_500MB"}));
  json records = read_records(folder, "out.json");
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(wrong_with_record(records[0]), "");
  EXPECT_TRUE(records[1].at("value").is_null());
  EXPECT_FALSE(records[1].at("error").get<std::string>().empty());
}

TEST(Bench, RanksOfAJobMeasureIt) {
  TempDir folder;
  Outcome outcome =
      run(mpirun(3, {"bench", "comm.all_reduce", "--quick", "--json", folder / "out.json"}));
  ASSERT_TRUE(succeeded(outcome));
  json records = read_records(folder, "out.json");
  ASSERT_FALSE(records.empty());
  for (const json& record : records) {
    EXPECT_EQ(wrong_with_record(record), "") << record.dump();
    EXPECT_TRUE(record.at("name").get<std::string>().starts_with("comm.all_reduce.3x"));
  }
}

}  // namespace
}  // namespace tessera::test
