// How launched programs end that do not end as they should, and who may take part in a job.
#include <csignal>
#include <filesystem>

#include "tests/integration/launch_command.h"

namespace tessera::test {
namespace {

using std::chrono::seconds;

class LaunchEnds : public testing::Test {
 protected:
  static Outcome run_plain(const std::string& ranks, const Words& arguments) {
    return run(launch({"-n", ranks}, Words{TESSERA_PLAIN_MPI} + arguments));
  }
  TempDir folder_;
};

// The last byte of such a code is 0, and the others would wait for ever.
TEST_F(LaunchEnds, AnAbortFailsWhateverItsCode) {
  for (const char* code : {"0", "256", "7"}) {
    Outcome outcome = run_plain("3", {"abort", "1", code});
    int expected = std::string(code) == "7" ? 7 : 1;
    EXPECT_TRUE(
        failed(outcome, expected, {"rank 1 on ", std::string("MPI_Abort with code ") + code}));
    EXPECT_LT(outcome.seconds, 10);
  }
}

TEST_F(LaunchEnds, ARankThatEndsWithoutFinalizeFailsTheJob) {
  for (const char* code : {"0", "75"}) {
    Outcome outcome = run_plain("3", {"exit", "2", code});
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_EQ(outcome.num_left, 0u);
    EXPECT_TRUE(contains(outcome.err, "without MPI_Finalize")) << describe(outcome);
    EXPECT_LT(outcome.seconds, 10);
  }
}

TEST_F(LaunchEnds, ARankThatNeverCallsMpiFailsTheOthersInEitherOrder) {
  for (const char* first : {"exit 0", "sleep 1; exit 0"}) {
    std::string script =
        std::string("[ $RANK = 1 ] && { ") + first + "; }; exec " + TESSERA_PLAIN_MPI;
    Outcome outcome = run(launch({"-n", "2"}, {"sh", "-c", script}));
    EXPECT_TRUE(failed(outcome, 1, {"rank 1 on ", "without MPI_Init"})) << first;
    EXPECT_LT(outcome.seconds, 20);
  }
}

TEST_F(LaunchEnds, WhatIsNotServedEndsTheJobAndSaysWhat) {
  for (const char* ranks : {"2", "4"}) {
    for (auto [mode, call] :
         {std::pair("spawn", "MPI_Comm_spawn"), {"accept", "MPI_Comm_accept"}}) {
      Outcome outcome = run_plain(ranks, {mode});
      EXPECT_TRUE(failed(outcome, 1, {call, "mpirun"}));
      EXPECT_LT(outcome.seconds, 20);
    }
  }
}

TEST_F(LaunchEnds, PublishedNamesDoNotHang) {
  for (const char* ranks : {"2", "4"}) {
    Outcome outcome = run_plain(ranks, {"publish"});
    EXPECT_FALSE(outcome.timed_out) << describe(outcome);
    EXPECT_LT(outcome.seconds, 20);
    EXPECT_EQ(outcome.num_left, 0u);
  }
}

TEST_F(LaunchEnds, AConfigsErrorIsSaidOnce) {
  Outcome outcome = run(launch({"-n", "2"}, train_words(folder_ / "run", {"run.stpes=3"})));
  EXPECT_TRUE(ended_with(outcome, 2));
  size_t first = outcome.err.find("stpes");
  ASSERT_NE(first, std::string::npos) << outcome.err;
  EXPECT_EQ(lines_of(outcome.err).size(), 3u) << outcome.err;
  int said = 0;
  for (const std::string& line : lines_of(outcome.err))
    said += line.find("stpes") != std::string::npos;
  EXPECT_EQ(said, 1) << outcome.err;
}

// Slurm without its MPI plugin, and others like it: every process would train alone.
TEST_F(LaunchEnds, ManyTrainingsThatShouldBeOneAreRefused) {
  std::vector<std::map<std::string, std::string>> launchers{
      {{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}},
      {{"PMI_RANK", "0"}, {"PMI_SIZE", "4"}},
      {{"TORCHELASTIC_RUN_ID", "x"}, {"RANK", "0"}, {"WORLD_SIZE", "2"}}};
  for (const auto& environment : launchers) {
    Words words = Words{"train", kQuickstart, "run.dir=" + (folder_ / "run")} + kTinyModel;
    Command command = tessera(words);
    command.env = environment;
    EXPECT_TRUE(failed(run(command), 2, {"tessera launch -n", "a run of one rank"}));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
  }
  Command second =
      tessera(Words{"train", kQuickstart, "run.dir=" + (folder_ / "run")} + kTinyModel);
  second.env = {{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}};
  Outcome silent = run(second);
  EXPECT_EQ(silent.exit_code, 2);
  EXPECT_EQ(silent.err, "");
}

TEST_F(LaunchEnds, ATaskThatIsTheOnlyOneTrains) {
  Command command =
      tessera(Words{"train", kQuickstart, "run.dir=" + (folder_ / "run")} + kTinyModel);
  // A batch script of a job of many tasks.
  command.env = {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_JOB_ID", "7"}};
  EXPECT_TRUE(succeeded(run(command)));
}

TEST_F(LaunchEnds, ManyAgentsOfOneNodeAreRefused) {
  Command command = launch({"-n", "2"}, {"touch", folder_ / "made"});
  command.env = {
      {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_STEP_NUM_NODES", "1"}};
  EXPECT_TRUE(failed(run(command), 2, {"--ntasks-per-node=1"}));
  command.env = {{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "0"}};
  EXPECT_TRUE(failed(run(command), 2, {"--rdzv"}));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
}

TEST_F(LaunchEnds, OnlyTheUserOfAPlainJobMayTalkToIt) {
  std::filesystem::create_directories(folder_ / "tmp");
  std::filesystem::create_directories(folder_ / "other");
  Command command = launch({"-n", "1"}, {"sh", "-c", "echo here; sleep 5"});
  command.env["TMPDIR"] = folder_ / "tmp";
  std::string errors = folder_ / "errors";
  command.argv = Words{"bash", "-c", "exec \"$@\" 2> '" + errors + "'", "bash"} + command.argv;
  Process process(command);
  std::string endpoint;
  ASSERT_TRUE(eventually(seconds(20), [&] {
    if (!std::filesystem::exists(errors)) return false;
    std::string text = folder_.read("errors");
    size_t at = text.find("rendezvous at ");
    if (at == std::string::npos || text.find('\n', at) == std::string::npos) return false;
    endpoint = text.substr(at + 14, text.find('\n', at) - at - 14);
    return true;
  }));
  Command ask = tessera({"launch", "--status", endpoint});
  ask.env["TMPDIR"] = folder_ / "tmp";
  EXPECT_TRUE(eventually(seconds(10), [&] { return run(ask).exit_code == 0; }));
  // Who cannot read the user's folder has no token.
  ask.env["TMPDIR"] = folder_ / "other";
  EXPECT_TRUE(failed(run(ask), 1, {"expected the job's token"}));
  EXPECT_TRUE(ended_with(process.wait(), 0));
}

}  // namespace
}  // namespace tessera::test
