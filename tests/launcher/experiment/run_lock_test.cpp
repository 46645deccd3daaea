#include "launcher/experiment/run_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <thread>

#include "core/error.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

job::LaunchedJob job(const std::string& id, int64_t generation = 1) {
  return {.id = id, .generation = generation, .num_ranks = 2, .rank = 0};
}

// What a job that comes now is told; empty: it has the folder.
std::string refusal(const TempDir& folder, const job::LaunchedJob& job) {
  return error_of([&] { RunLock::take(folder.path(), job, std::chrono::milliseconds(200)); });
}

// A process that has what `hold` gives it until it is killed.
template <class Hold>
pid_t holder(const Hold& hold) {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    RunLock lock = hold();
    [[maybe_unused]] ssize_t ignored = write(ready[1], "x", 1);
    while (true) pause();
  }
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  return child;
}

void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(RunLock, AnotherJobIsRefusedAndToldWhoHoldsIt) {
  TempDir folder;
  pid_t child = holder([&] { return RunLock::take(folder.path(), {}); });
  std::string error = refusal(folder, {});
  EXPECT_TRUE(contains(error, folder.path() + ": the run in this folder is another job's"));
  EXPECT_TRUE(contains(error, fmt::format("process {} on '", child)));
  end(child);
  // It dies with its process, however that ends.
  EXPECT_EQ(refusal(folder, {}), "");
}

TEST(RunLock, WaitsForAJobThatIsEnding) {
  TempDir folder;
  pid_t child = holder([&] { return RunLock::take(folder.path(), job("one")); });
  std::thread killer([&] {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    end(child);
  });
  EXPECT_EQ(error_of([&] { RunLock::take(folder.path(), job("two")); }), "");
  killer.join();
}

// Any rank of a job keeps others out, and none of its own.
TEST(RunLock, RanksOfOneJobShareIt) {
  TempDir folder;
  std::optional<RunLock> first = RunLock::take(folder.path(), job("one"));
  pid_t child = holder([&] { return RunLock::share(folder.path()); });
  first.reset();
  EXPECT_TRUE(contains(refusal(folder, job("two")), "is another job's"));
  end(child);
  EXPECT_EQ(refusal(folder, job("two")), "");
}

TEST(RunLock, RestartedRanksDoNotWaitForTheirPredecessors) {
  TempDir folder;
  pid_t first = holder([&] { return RunLock::take(folder.path(), job("one")); });
  pid_t second = holder([&] { return RunLock::share(folder.path()); });
  auto start = std::chrono::steady_clock::now();
  {
    RunLock again = RunLock::take(folder.path(), job("one", 2));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
    // The older ones die now, and the lock stays.
    end(first);
    end(second);
    EXPECT_TRUE(contains(refusal(folder, job("two")), fmt::format("process {} on '", getpid())));
  }
  EXPECT_EQ(refusal(folder, job("two")), "");
}

// What stands in the file does not hold it, whatever it says.
TEST(RunLock, AFileWithoutALockHoldsNobodyUp) {
  TempDir folder;
  std::filesystem::create_directory(folder / "log");
  for (const std::string& text : {std::string("junk"), std::string(5000, '\n'),
                                  std::string("j\nh\nb\n1\n1\nx\n"), std::string()}) {
    folder.write("log/lock", text);
    EXPECT_EQ(refusal(folder, {}), "") << text.substr(0, 20);
  }
}

TEST(RunLock, WhatTheHolderSaysIsShownInOneLine) {
  TempDir folder;
  pid_t child = holder([&] { return RunLock::take(folder.path(), job("a\x1b[31m")); });
  std::string error = refusal(folder, {});
  EXPECT_EQ(error.find('\x1b'), std::string::npos) << error;
  end(child);
}

}  // namespace
}  // namespace tessera::experiment
