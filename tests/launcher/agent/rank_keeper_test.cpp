// With shell scripts for tessera-pmix.
#include "launcher/agent/rank_keeper.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/temp_dir.h"

namespace tessera::agent {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

class RankKeeperOfOne : public testing::Test {
 protected:
  // Starts with a program of those lines.
  RankKeeper& start(const std::string& lines) {
    std::string path = dir_ / "pmix";
    std::ofstream(path) << "#!/bin/sh\n" << lines << "\n";
    chmod(path.c_str(), 0700);
    return keeper_.emplace(RankKeeper::Options{path, "node", 1, board_.get()}, folders_);
  }
  bool ends() {
    for (int i = 0; i < 2000 && !keeper_->has_ended(); ++i) std::this_thread::sleep_for(5ms);
    return keeper_->has_ended();
  }
  // Whether the process whose id is in that file has ended and waits to be buried.
  static bool is_dead(const std::string& file) {
    pid_t process = 0;
    std::ifstream(file) >> process;
    std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
    std::string text;
    std::getline(stat, text);
    return text.find(") Z ") != std::string::npos;
  }
  static bool lives(pid_t process) { return kill(process, 0) == 0; }

  test::TempDir dir_;
  PrivateFolders folders_;
  Descriptor board_{memfd_create("board", MFD_CLOEXEC)};
  std::optional<RankKeeper> keeper_;
};

TEST_F(RankKeeperOfOne, TheWarmOneIsTakenAndAnotherKeptForTheNext) {
  RankKeeper& keeper = start("exec sleep 1000");
  EXPECT_FALSE(keeper.exists());
  EXPECT_EQ(keeper.descriptor(), std::nullopt);
  keeper.take_next();
  ASSERT_TRUE(keeper.exists());
  EXPECT_EQ(keeper.descriptor(), keeper.current().descriptor());
  EXPECT_EQ(keeper.current().shm_dir(), folders_.memory() + "/0");
  pid_t first = keeper.current().pid();
  keeper.keep_warm();
  keeper.keep_warm();
  keeper.current().kill();
  ASSERT_TRUE(ends());
  keeper.bury();
  EXPECT_FALSE(keeper.exists());
  EXPECT_FALSE(lives(first));
  keeper.take_next();
  EXPECT_EQ(keeper.current().shm_dir(), folders_.memory() + "/1");
  EXPECT_TRUE(lives(keeper.current().pid())) << "the warm one was spared";
}

TEST_F(RankKeeperOfOne, AWarmOneThatHasDiedIsReplaced) {
  RankKeeper& keeper = start(
      "test -e \"$0.once\" && exec sleep 1000; echo $$ > \"$0.new\"; mv \"$0.new\" \"$0.once\"");
  for (int i = 0; i < 2000 && !is_dead(dir_ / "pmix.once"); ++i) std::this_thread::sleep_for(5ms);
  keeper.take_next();
  EXPECT_EQ(keeper.current().shm_dir(), folders_.memory() + "/1");
}

TEST_F(RankKeeperOfOne, OneThatDoesNotObeyIsKilled) {
  RankKeeper& keeper = start("trap '' TERM; while :; do sleep 1; done");
  keeper.take_next();
  auto now = RankKeeper::Clock::now();
  keeper.look_after_end(now + 1h);
  EXPECT_FALSE(keeper.has_ended()) << "nobody has ordered its end";
  keeper.end(now);
  EXPECT_TRUE(keeper.is_ending());
  keeper.look_after_end(now + 3000ms);
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(keeper.has_ended());
  keeper.look_after_end(now + 3001ms);
  EXPECT_TRUE(ends());
  keeper.bury();
  EXPECT_FALSE(keeper.is_ending());
}

TEST_F(RankKeeperOfOne, NothingIsLeftOfItsFoldersAndDescendants) {
  RankKeeper& keeper = start("mkdir \"$2\" \"$4\"; sleep 1000 & echo $! > \"$0.child\"; exit 0");
  keeper.take_next();
  ASSERT_TRUE(ends());
  pid_t child = 0;
  std::ifstream(dir_ / "pmix.child") >> child;
  ASSERT_GT(child, 0);
  EXPECT_TRUE(std::filesystem::exists(keeper.current().session_dir()));
  std::string session = keeper.current().session_dir();
  std::string shared = keeper.current().shm_dir();
  keeper.bury();
  EXPECT_FALSE(std::filesystem::exists(session));
  EXPECT_FALSE(std::filesystem::exists(shared));
  EXPECT_FALSE(lives(child));
}

TEST_F(RankKeeperOfOne, OrdersToNobodyAreLost) {
  RankKeeper& keeper = start("exec sleep 1000");
  keeper.send(to_pmix::Start{});
  keeper.renew_lease(1000);
  EXPECT_FALSE(keeper.has_ended());
}

}  // namespace
}  // namespace tessera::agent
