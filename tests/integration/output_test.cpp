// What a command prints has arrived, or the command says so.
#include <filesystem>

#include "tests/integration/launch_command.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

class Output : public testing::Test {
 protected:
  Output() {
    Outcome made = run(tessera(Words{"train", kQuickstart, "run.dir=" + dir()} + kTinyModel));
    EXPECT_TRUE(succeeded(made));
  }
  std::string dir() const { return folder_ / "run"; }
  std::string checkpoint() const { return dir() + "/checkpoints/step-00000002"; }
  // The command with its streams as the shell's words say.
  static Outcome run_with(const std::string& streams, const Words& arguments) {
    return run(in_source_dir(Words{"bash", "-c", "\"$@\" " + streams, "bash", TESSERA_BINARY} +
                             arguments));
  }
  // Of every command that prints, one that would end with 0.
  std::vector<Words> commands() const {
    return {{"--help"},
            {"--version"},
            {"train", "--explain"},
            {"inspect", checkpoint()},
            {"inspect", checkpoint(), "--digest"},
            {"verify", checkpoint()},
            {"convert", checkpoint(), folder_ / "out.safetensors"},
            {"plan", kQuickstart, "--ranks", "2"},
            {"generate", checkpoint(), "--prompt", "a", "--length", "3"},
            {"doctor"},
            Words{"train", kQuickstart, "run.dir=" + (folder_ / "again")} + kTinyModel,
            Words{"debug", "-n", "2", kQuickstart, "run.dir=" + (folder_ / "again")} + kTinyModel,
            {"launch", "--dry-run", "--", "true"},
            {"launch", "--", "echo", "x"}};
  }
  void forget() const {
    fs::remove(folder_ / "out.safetensors");
    fs::remove_all(folder_ / "again");
  }

  TempDir folder_;
};

TEST_F(Output, ThatDoesNotArriveFailsEveryCommand) {
  for (const Words& command : commands()) {
    forget();
    EXPECT_EQ(run_with("", command).exit_code, 0) << command[0];
    for (const char* streams : {"> /dev/full", ">&-"}) {
      forget();
      Outcome outcome = run_with(streams, command);
      EXPECT_EQ(outcome.exit_code, 1) << command[0] << streams << describe(outcome);
      EXPECT_TRUE(contains(outcome.err, "standard output")) << command[0] << streams;
    }
  }
}

TEST_F(Output, OfATrainingIsNotTheTraining) {
  Outcome outcome = run_with(
      "> /dev/full", Words{"train", kQuickstart, "run.dir=" + (folder_ / "b")} + kTinyModel);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(contains(folder_.read("b/metrics.jsonl"), "\"final\":true"));
  EXPECT_TRUE(fs::exists(folder_ / "b/checkpoints/step-00000002/manifest.json"));
}

TEST_F(Output, ErrorsThatNobodyCanReadKeepTheirCode) {
  for (const char* streams :
       {"2>&-", "2> /dev/full", "<&- >&- 2>&-", "2>&1 | true; exit ${PIPESTATUS[0]}"}) {
    EXPECT_EQ(run_with(streams, {"inspect", "/no/such"}).exit_code, 1) << streams;
    EXPECT_EQ(run_with(streams, {"trian"}).exit_code, 2) << streams;
    EXPECT_EQ(run_with(streams, {"train", "/no/such.yaml"}).exit_code, 2) << streams;
    EXPECT_EQ(run_with(streams, {"plan", kQuickstart, "run.stpes=3"}).exit_code, 2) << streams;
    EXPECT_EQ(run_with(streams, {"launch", "-n", "2", "--", "sh", "-c", "exit 9"}).exit_code, 9)
        << streams;
  }
}

TEST_F(Output, WhoseReaderHasGoneEndsACommandAsASignalWould) {
  Outcome outcome = run_with("| true; exit ${PIPESTATUS[0]}", {"train", "--explain"});
  EXPECT_TRUE(outcome.exit_code == 141 || outcome.exit_code == 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace tessera::test
