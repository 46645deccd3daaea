// `tessera launch` on one node: what ranks get, how they end, and that nothing of them is left.
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/integration/launch_command.h"
#include "tests/support/free_port.h"

namespace tessera::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Launch : public testing::Test {
 protected:
  Launch() {
    // Ranks' folders are looked for in folders of this test's own.
    std::filesystem::create_directories(temporary());
  }
  std::string temporary() const { return folder_ / "tmp"; }

  Outcome run_launch(const Words& flags, const Words& program) {
    Command command = launch(flags, program);
    command.env["TMPDIR"] = temporary();
    return run(command);
  }
  // Waits until the run has made that step.
  bool has_step(int step) const {
    return eventually(seconds(30), [&] {
      std::string word = "\"step\":" + std::to_string(step) + ",";
      return std::filesystem::exists(folder_ / "run/metrics.jsonl") &&
             folder_.read("run/metrics.jsonl").find(word) != std::string::npos;
    });
  }
  bool left_files() const { return !std::filesystem::is_empty(temporary()); }

  TempDir folder_;
};

TEST_F(Launch, APlainMpiProgramRunsOnAsManyRanksAsAsked) {
  for (const char* ranks : {"1", "2", "4"}) {
    Outcome outcome = run_launch({"-n", ranks}, {TESSERA_PLAIN_MPI});
    EXPECT_TRUE(ended_with(outcome, 0));
    EXPECT_NE(outcome.out.find(std::string("rank 0 of ") + ranks), std::string::npos)
        << outcome.out;
  }
  EXPECT_FALSE(left_files());
}

TEST_F(Launch, NeedsNoHome) {
  for (const Words& home : {Words{"-u", "HOME"}, Words{"HOME="}}) {
    Command command = launch({"-n", "2"}, {TESSERA_PLAIN_MPI});
    command.argv = Words{"env"} + home + command.argv;
    command.env["TMPDIR"] = temporary();
    Outcome outcome = run(command);
    EXPECT_TRUE(ended_with(outcome, 0));
    EXPECT_NE(outcome.out.find("rank 1 of 2"), std::string::npos) << outcome.out;
  }
}

TEST_F(Launch, TrainingGivesTheDigestOfMpirun) {
  Words leaves{"data.leaves=4"};
  Outcome by_mpirun = run(
      mpirun(4, Words{"train", kQuickstart, "run.dir=" + (folder_ / "a")} + kTinyModel + leaves));
  ASSERT_TRUE(ended_with(by_mpirun, 0));
  Outcome launched = run_launch({"-n", "4"}, train_words(folder_ / "b", leaves));
  ASSERT_TRUE(ended_with(launched, 0));
  EXPECT_FALSE(said(launched, "digest").empty());
  EXPECT_EQ(said(launched, "digest"), printed(by_mpirun, "digest"));
}

TEST_F(Launch, RanksFindTheirPlaceInTheEnvironment) {
  std::string script =
      "echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $NODE_RANK "
      "${MASTER_ADDR:+a} ${MASTER_PORT:+p} $OMP_NUM_THREADS";
  Outcome outcome = run_launch({"-n", "2"}, {"sh", "-c", script});
  EXPECT_TRUE(ended_with(outcome, 0));
  std::string threads = std::to_string(std::max(1U, std::thread::hardware_concurrency() / 2));
  EXPECT_NE(outcome.out.find("[0] 0 0 2 2 0 a p " + threads), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("[1] 1 1 2 2 0 a p " + threads), std::string::npos) << outcome.out;
}

TEST_F(Launch, TheRanksNamespaceIsNotToBeGuessedFromTheJob) {
  Outcome outcome = run(launch(
      {"-n", "1"}, {"sh", "-c", "echo namespace $PMIX_NAMESPACE; echo job $TESSERA_JOB_ID"}));
  std::string job = said(outcome, "job");
  ASSERT_FALSE(job.empty());
  EXPECT_GE(said(outcome, "namespace").size(), 32u);
  EXPECT_EQ(said(outcome, "namespace").find(job), std::string::npos);
}

TEST_F(Launch, TheFirstFailureIsNamedWithTheEndOfItsErrors) {
  std::string script = "[ $RANK = 1 ] && { echo the reason >&2; exit 9; }; sleep 60";
  Outcome outcome = run_launch({"-n", "3"}, {"sh", "-c", script});
  EXPECT_TRUE(ended_with(outcome, 9));
  EXPECT_LT(outcome.seconds, 10);
  Words errors = errors_of(outcome);
  ASSERT_EQ(errors.size(), 1u) << outcome.err;
  EXPECT_NE(errors[0].find("rank 1 on "), std::string::npos) << errors[0];
  EXPECT_NE(errors[0].find("ended with code 9"), std::string::npos) << errors[0];
  // Said by the rank, and not once more.
  size_t reason = outcome.err.find("[1] the reason\n");
  ASSERT_NE(reason, std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("the reason", reason + 10), std::string::npos) << outcome.err;
  EXPECT_FALSE(left_files());
}

TEST_F(Launch, ErrorsThatAreNoTextAreTakenToo) {
  Outcome outcome =
      run_launch({"-n", "2"}, {"sh", "-c", "printf 'bad \\377\\376 bytes\\n' >&2; exit 5"});
  EXPECT_TRUE(ended_with(outcome, 5));
  EXPECT_NE(outcome.err.find("bad \377\376 bytes"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("ended with code 5"), std::string::npos) << outcome.err;
}

TEST_F(Launch, ARankThatIsKilledEndsTheOthersAtOnce) {
  Outcome outcome = run_launch({"-n", "3"}, {TESSERA_PLAIN_MPI, "die", "1"});
  EXPECT_TRUE(ended_with(outcome, 128 + SIGKILL));
  EXPECT_LT(outcome.seconds, 10);
  EXPECT_NE(outcome.err.find("killed by signal 9"), std::string::npos) << outcome.err;
  EXPECT_FALSE(left_files());
}

TEST_F(Launch, AProgramThatIsNotThereIsNamed) {
  Outcome outcome = run_launch({"-n", "2"}, {"/no/such/program"});
  EXPECT_TRUE(failed(outcome, 1, {"/no/such/program", "No such file"}));
}

TEST_F(Launch, BadUsageIsNotRestarted) {
  Outcome outcome = run_launch({"-n", "2", "--max-restarts", "3"}, {TESSERA_BINARY, "trian"});
  EXPECT_TRUE(ended_with(outcome, 2));
  EXPECT_EQ(outcome.err.find("generation 2"), std::string::npos) << outcome.err;
}

TEST_F(Launch, WhatRanksLeaveBehindIsEnded) {
  std::string script = "setsid sleep 1000 & sleep 0.2; exit 0";
  Outcome outcome = run_launch({"-n", "2"}, {"sh", "-c", script});
  EXPECT_TRUE(ended_with(outcome, 0));
  EXPECT_FALSE(left_files());
}

TEST_F(Launch, OutputIsKeptInFiles) {
  Outcome outcome = run_launch({"-n", "2", "--log-dir", folder_ / "log"},
                               {"sh", "-c", "echo out $RANK; echo err $RANK >&2"});
  EXPECT_TRUE(ended_with(outcome, 0));
  EXPECT_EQ(folder_.read("log/rank-0.out"), "out 0\n");
  EXPECT_EQ(folder_.read("log/rank-1.err"), "err 1\n");
}

TEST_F(Launch, ASignalStopsTheRunAfterACheckpoint) {
  Command command = launch({"-n", "2"}, train_words(folder_ / "run", {"run.steps=1000000"}));
  command.env["TMPDIR"] = temporary();
  Process process(command);
  ASSERT_TRUE(has_step(2));
  process.signal(SIGINT);
  Outcome outcome = process.wait();
  EXPECT_TRUE(ended_with(outcome, 75));
  EXPECT_NE(outcome.out.find("stopped by a signal"), std::string::npos) << outcome.out;
  EXPECT_FALSE(left_files());
}

TEST_F(Launch, ASignalStopsTheRunWhereverItsRanksAreInTheirStart) {
  for (int delay : {0, 40, 80, 160, 320, 640}) {
    std::string name = "run" + std::to_string(delay);
    Process process(launch({"-n", "2"}, train_words(folder_ / name, {"run.steps=1000000"})));
    ASSERT_TRUE(eventually(seconds(20), [&] { return !process.members("RANK=1").empty(); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    process.signal(SIGTERM);
    EXPECT_TRUE(ended_with(process.wait(), 75)) << delay;
  }
}

TEST_F(Launch, ASignalWaitsForRanksThatDoNotWatchForItYet) {
  Process process(launch({"-n", "2"}, {"sh", "-c",
                                       "sleep 1; trap 'exit 75' TERM; touch " + (folder_ / "here") +
                                           "; while true; do sleep 0.05; done"}));
  ASSERT_TRUE(eventually(seconds(20), [&] { return !process.members("RANK=1").empty(); }));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "here"));
  process.signal(SIGTERM);
  EXPECT_TRUE(ended_with(process.wait(), 75));
}

TEST_F(Launch, RanksThatMayWaitForOneThatDiedOfTheSignalAreKilled) {
  Process process(
      launch({"-n", "2"}, {"sh", "-c",
                           "[ $RANK = 1 ] || trap '' TERM; touch " + (folder_ / "here") +
                               "; while true; do sleep 0.05; done"}));
  ASSERT_TRUE(eventually(seconds(20), [&] { return std::filesystem::exists(folder_ / "here"); }));
  process.signal(SIGTERM);
  Outcome outcome = process.wait();
  EXPECT_TRUE(ended_with(outcome, 128 + SIGTERM));
  EXPECT_LT(outcome.seconds, 30);
  EXPECT_NE(outcome.err.find("rank 1 on "), std::string::npos) << outcome.err;
}

TEST_F(Launch, KilledRanksComeBackAndTheDigestIsAsIfNothingHadHappened) {
  Words config{"run.steps=40", "data.leaves=4"};
  Outcome quiet = run_launch({"-n", "2"}, train_words(folder_ / "quiet", config));
  ASSERT_TRUE(ended_with(quiet, 0));
  Command command =
      launch({"-n", "2", "--max-restarts", "3"}, train_words(folder_ / "run", config));
  command.env["TMPDIR"] = temporary();
  Process process(command);
  for (int step : {5, 20}) {
    ASSERT_TRUE(has_step(step));
    std::vector<pid_t> ranks = process.members("RANK=1");
    ASSERT_FALSE(ranks.empty());
    kill(ranks.front(), SIGKILL);
  }
  Outcome outcome = process.wait();
  EXPECT_TRUE(ended_with(outcome, 0));
  EXPECT_NE(outcome.err.find("generation 2 ends: rank 1"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.out.find("from a snapshot in memory"), std::string::npos) << outcome.out;
  EXPECT_EQ(said(outcome, "digest"), said(quiet, "digest"));
  EXPECT_FALSE(left_files());
}

TEST_F(Launch, AStoppedRankIsReportedAsAHangAndReplaced) {
  Command command = launch({"-n", "2", "--max-restarts", "1", "--hang-timeout", "1"},
                           train_words(folder_ / "run", {"run.steps=1000000"}));
  command.env["TMPDIR"] = temporary();
  Process process(command);
  auto has_rank = [&](const std::string& generation) {
    return !process.members("TESSERA_GENERATION=" + generation).empty();
  };
  ASSERT_TRUE(has_step(3));
  kill(process.members("RANK=1").front(), SIGSTOP);
  EXPECT_TRUE(eventually(seconds(10), [&] { return has_rank("2"); }));
  EXPECT_FALSE(has_rank("1"));
  EXPECT_TRUE(makes_steps(folder_ / "run"));
  process.signal(SIGTERM);
  Outcome outcome = process.wait();
  EXPECT_TRUE(ended_with(outcome, 75));
  EXPECT_NE(outcome.err.find("generation 1 ends: rank 1 on "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("a signal has stopped it"), std::string::npos) << outcome.err;
  // The others say where they wait.
  EXPECT_NE(outcome.err.find("its last call, number "), std::string::npos) << outcome.err;
}

TEST_F(Launch, TheStateOfAJobCanBeAskedFor) {
  std::string endpoint = "127.0.0.1:" + std::to_string(free_port());
  Process process(launch({"-n", "2", "--serve", "--rdzv", endpoint},
                         train_words(folder_ / "run", {"run.steps=1000000"})));
  ASSERT_TRUE(has_step(3));
  Outcome state;
  EXPECT_TRUE(eventually(seconds(5), [&] {
    state = run(tessera({"launch", "--status", endpoint}));
    return state.out.find("step") != std::string::npos;
  }));
  EXPECT_TRUE(succeeded(state));
  EXPECT_NE(state.out.find("running, generation 1"), std::string::npos) << state.out;
  EXPECT_NE(state.out.find("rank 1"), std::string::npos) << state.out;
  // Who belongs to the job does not count as a stranger.
  EXPECT_EQ(state.out.find("refused"), std::string::npos) << state.out;
  process.signal(SIGTERM);
  EXPECT_TRUE(ended_with(process.wait(), 75));
}

TEST_F(Launch, ADryRunPrintsThePlanAndStartsNothing) {
  Outcome outcome = run_launch({"-n", "3", "--dry-run"}, {"touch", folder_ / "made"});
  EXPECT_TRUE(succeeded(outcome));
  EXPECT_NE(outcome.out.find("touch"), std::string::npos);
  EXPECT_NE(outcome.out.find("3 on this node"), std::string::npos) << outcome.out;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "made"));
}

TEST_F(Launch, MistakesAreNamed) {
  EXPECT_TRUE(failed(run_launch({"-n", "0"}, {"x"}), 2, {"-n", "0"}));
  EXPECT_TRUE(failed(run_launch({}, {}), 2, {"a program after --"}));
  EXPECT_TRUE(failed(run_launch({"--nnodes", "3:2"}, {"x"}), 2, {"--nnodes", "'3:2'"}));
  EXPECT_TRUE(failed(run_launch({"--nnodes", "2"}, {"x"}), 2, {"--rdzv HOST:PORT"}));
  EXPECT_TRUE(failed(run_launch({"--rdzv", "nowhere"}, {"x"}), 2, {"HOST:PORT", "'nowhere'"}));
  EXPECT_TRUE(failed(run_launch({"--tls", "/no/such"}, {"x"}), 2, {"/no/such"}));
  EXPECT_TRUE(failed(run(tessera({"launch", "--status", "127.0.0.1:1"})), 1, {"127.0.0.1:1"}));
}

}  // namespace
}  // namespace tessera::test
