// A write that fails: the run says where, and leaves no half file under a file's final name. A
// limit on the size of files stands for the full disk.
#include <filesystem>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

class FullDisk : public testing::Test {
 protected:
  // Trains with that limit, a short time.
  Outcome train(uint64_t max_file_bytes, const Words& more = {}) {
    Command command = tessera(Words{"train", kQuickstart, "run.dir=" + dir()} + kTinyModel + more);
    command.max_file_bytes = max_file_bytes;
    return run(command);
  }
  std::string dir() const { return folder_ / "run"; }

  // The files of the run, by their paths from its folder; empty ones count as well, locks do not.
  std::set<std::string> files() const {
    std::set<std::string> found;
    for (const auto& item : fs::recursive_directory_iterator(dir())) {
      if (!item.is_regular_file() || item.path().filename() == "lock") continue;
      found.insert(fs::relative(item.path(), dir()).string());
    }
    return found;
  }

  TempDir folder_;
};

// config.yaml, the metrics of two steps and the log stay below this, and the weights do not.
constexpr uint64_t kSmallFiles = 4096;

TEST_F(FullDisk, ACheckpointThatDoesNotFitFailsTheRun) {
  EXPECT_TRUE(failed(train(kSmallFiles), 1, {dir() + "/checkpoints/", "File too large"}));
  EXPECT_EQ(files(), (std::set<std::string>{"config.yaml", "log/rank-0.txt", "metrics.jsonl"}));
  // The log says it too.
  EXPECT_TRUE(contains(folder_.read("run/log/rank-0.txt"), "failed: "));
}

// The log of a run is less than the run: it goes on, and says so once.
TEST_F(FullDisk, MetricsThatDoNotFitDoNotEndTheRun) {
  Outcome outcome = train(kSmallFiles, {"run.steps=1000"});
  EXPECT_EQ(outcome.exit_code, 1);
  Words errors = errors_of(outcome);
  ASSERT_EQ(errors.size(), 2u) << describe(outcome);
  EXPECT_TRUE(contains(errors[0], dir() + "/metrics.jsonl"));
  EXPECT_TRUE(contains(errors[0], "File too large; the run goes on")) << errors[0];
  // All steps were made, and this is why it failed.
  EXPECT_TRUE(contains(errors[1], dir() + "/checkpoints/")) << errors[1];
  EXPECT_TRUE(contains(outcome.out, "step 1000/1000")) << outcome.out;
  EXPECT_TRUE(folder_.read("run/metrics.jsonl").ends_with("}\n")) << "half a record stays";
}

// More than the model's size.
constexpr uint64_t kOnlyWeightsFit = 400'000;

TEST_F(FullDisk, ARunWhoseResultCannotBeRecordedFails) {
  Outcome begun = train(kOnlyWeightsFit, {"run.steps=3", "run.stop_after=1"});
  ASSERT_EQ(begun.exit_code, 75) << describe(begun);
  // Ten bytes are left, which hold no record: a short one could fit where longer ones did not.
  std::string metrics = folder_.read("run/metrics.jsonl");
  std::string begin = R"({"step":1,"fill":")", end = "\"}\n";
  size_t fill = kOnlyWeightsFit - 10 - metrics.size() - begin.size() - end.size();
  folder_.write("run/metrics.jsonl", metrics + begin + std::string(fill, '.') + end);

  Outcome outcome = train(kOnlyWeightsFit, {"run.steps=3", "run.resume=auto"});
  EXPECT_EQ(outcome.exit_code, 1);
  Words errors = errors_of(outcome);
  ASSERT_EQ(errors.size(), 2u) << describe(outcome);
  for (const std::string& error : errors) {
    EXPECT_TRUE(contains(error, dir() + "/metrics.jsonl: cannot write: File too large")) << error;
  }
  EXPECT_TRUE(fs::exists(dir() + "/checkpoints/step-00000003/manifest.json"));
}

TEST_F(FullDisk, AConfigThatDoesNotFitIsNotHalfThere) {
  Outcome outcome = train(200);
  EXPECT_EQ(outcome.exit_code, 1);
  // The log may not have fitted either, which is told before and ends nothing.
  Words errors = errors_of(outcome);
  ASSERT_FALSE(errors.empty()) << describe(outcome);
  EXPECT_TRUE(contains(errors.back(), "config.yaml"));
  EXPECT_TRUE(contains(errors.back(), "File too large"));
  EXPECT_FALSE(files().contains("config.yaml"));
  for (const std::string& file : files()) EXPECT_FALSE(contains(file, "tmp")) << file;
}

TEST_F(FullDisk, ARunThatCannotBeginSaysWhy) {
  Outcome outcome = train(1);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(contains(errors_of(outcome).back(), "config.yaml")) << describe(outcome);
}

TEST_F(FullDisk, ManyRanksEnd) {
  Command command = mpirun(2, Words{"train", kQuickstart, "run.dir=" + dir()} + kTinyModel);
  Words limited{"prlimit", "--fsize=" + std::to_string(kSmallFiles), TESSERA_BINARY};
  auto program = std::find(command.argv.begin(), command.argv.end(), TESSERA_BINARY);
  // The memory that ranks share is a file too: without it, they speak over TCP.
  command.env["OMPI_MCA_btl"] = "self,tcp";
  command.env["OMPI_MCA_btl_tcp_if_include"] = "lo";
  // mpirun itself writes files that are larger.
  command.argv.insert(command.argv.erase(program), limited.begin(), limited.end());
  EXPECT_TRUE(failed(run(command), 1, {"rank 0", dir() + "/checkpoints/", "File too large"}));
  EXPECT_EQ(files(), (std::set<std::string>{"config.yaml", "log/rank-0.txt", "log/rank-1.txt",
                                            "metrics.jsonl"}));
}

}  // namespace
}  // namespace tessera::test
