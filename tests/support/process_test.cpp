#include "tests/support/process.h"

#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

using std::chrono::seconds;

TEST(Process, ItsOutputAndExitCodeAreCaught) {
  Outcome outcome = run({.argv = {"bash", "-c", "echo out; echo err >&2; exit 3"}});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.signal, 0);
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(outcome.err, "err\n");
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(outcome.num_left, 0U);
}

TEST(Process, MoreOutputThanAPipeHoldsIsNoObstacle) {
  Outcome outcome = run({.argv = {"head", "-c", "1000000", "/dev/zero"}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, std::string(1000000, '\0'));
}

TEST(Process, FolderEnvironmentAndInputAreAsSaid) {
  TempDir folder;
  Outcome outcome = run({.argv = {"bash", "-c", "pwd; echo $COLOR; cat"},
                         .env = {{"COLOR", "blue"}},
                         .cwd = folder.path()});
  EXPECT_EQ(outcome.out, folder.path() + "\nblue\n");
}

TEST(Process, AMissingProgramGives127) {
  Outcome outcome = run({.argv = {"/nowhere/program"}});
  EXPECT_EQ(outcome.exit_code, 127);
  EXPECT_EQ(outcome.err, "/nowhere/program: No such file or directory\n");
}

TEST(Process, WritesOverTheLimitFail) {
  TempDir folder;
  Outcome outcome = run({.argv = {"bash", "-c", "trap '' XFSZ; head -c 5000 /dev/zero >file"},
                         .cwd = folder.path(),
                         .max_file_bytes = 1000});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_EQ(folder.read("file").size(), 1000U);
}

TEST(Process, ATimeoutKillsAllItStarted) {
  Outcome outcome =
      run({.argv = {"bash", "-c", "setsid sleep 100 & sleep 100"}, .timeout = seconds(1)});
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.signal, SIGKILL);
  EXPECT_GE(outcome.num_left, 2U);
  EXPECT_LT(outcome.seconds, 10);
}

TEST(Process, WhatItLeavesBehindIsCountedAndKilled) {
  Outcome outcome = run({.argv = {"bash", "-c", "setsid sleep 100 & exit 0"}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.num_left, 1U);
}

TEST(Process, AMemberIsFoundAndKilledInTheMiddle) {
  Process process({.argv = {"bash", "-c", "COLOR=red sleep 100; exit $?"}});
  ASSERT_TRUE(eventually(seconds(10), [&] { return !process.members("COLOR=red").empty(); }));
  EXPECT_EQ(process.members().size(), 2U);
  kill(process.members("COLOR=red").at(0), SIGKILL);
  EXPECT_EQ(process.wait().exit_code, 128 + SIGKILL);
}

}  // namespace
}  // namespace tessera::test
