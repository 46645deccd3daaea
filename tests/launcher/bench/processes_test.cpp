#include "launcher/bench/processes.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "launcher/bench/training_run.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::bench {
namespace {

Words shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

TEST(Processes, GiveWhatTheyPrintAndHaveVariables) {
  test::TempDir folder;
  Scratch scratch(folder.path());
  EXPECT_EQ(run_program(scratch, shell("echo $A $B; cat"), {{"A", "1"}, {"B", "2"}}), "1 2\n");
}

TEST(Processes, FailWithTheirLastWords) {
  test::TempDir folder;
  Scratch scratch(folder.path());
  std::string error =
      test::error_of([&] { run_program(scratch, shell("echo bad luck >&2; exit 3")); });
  EXPECT_NE(error.find("ended with 3: bad luck"), std::string::npos) << error;
  error = test::error_of([&] { run_program(scratch, shell("kill -9 $$")); });
  EXPECT_NE(error.find("was ended by signal 9"), std::string::npos) << error;
  error = test::error_of([&] { run_program(scratch, {"/no/such/program"}); });
  EXPECT_NE(error.find("cannot start /no/such/program"), std::string::npos) << error;
}

TEST(Processes, AreEndedWithTheirChildrenWhenTheTimeIsOver) {
  test::TempDir folder;
  // What it has started would leave a file behind.
  Program program(shell("echo begun; (sleep 3; touch " + (folder / "late") + ") & wait"),
                  folder / "output");
  std::string error = test::error_of([&] { program.wait(std::chrono::seconds(1)); });
  EXPECT_NE(error.find("has not ended after 1 s: begun"), std::string::npos) << error;
  EXPECT_FALSE(program.running());
  std::this_thread::sleep_for(std::chrono::seconds(3));
  EXPECT_EQ(folder.names(), std::set<std::string>{"output"});
}

TEST(Processes, ScratchFoldersGo) {
  test::TempDir folder;
  {
    Scratch scratch(folder.path());
    EXPECT_EQ(folder.names().size(), 1U);
    run_program(scratch, shell("true"));
  }
  EXPECT_TRUE(folder.names().empty());
  EXPECT_NE(test::error_of([] { Scratch("/no/such/folder"); }), "");
}

TEST(TrainingRun, FlopsAreThoseOfTheProducts) {
  // A weight of every block is one of 12 width^2; 12 = 3 + 1 + 4 + 4.
  GptSizes one{
      .layers = 1, .heads = 1, .width = 2, .context = 4, .micro_batch = 1, .vocabulary = 3};
  EXPECT_EQ(flops_of_token(one), 6 * (12 * 4 + 3 * 2 + 2 * 2 * 4 / 2));
  EXPECT_EQ(flops_of_image({.hidden1 = 2, .hidden2 = 3, .micro_batch = 1}),
            6 * (784 * 2 + 2 * 3 + 3 * 10));
}

}  // namespace
}  // namespace tessera::bench
