#include "launcher/agent/private_folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::agent {
namespace {

class PrivateFoldersBelow : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* before = std::getenv("TMPDIR")) before_ = before;
    setenv("TMPDIR", folder_.path().c_str(), 1);
  }
  void TearDown() override {
    if (before_) {
      setenv("TMPDIR", before_->c_str(), 1);
    } else {
      unsetenv("TMPDIR");
    }
  }

  test::TempDir folder_;
  std::optional<std::string> before_;
};

TEST_F(PrivateFoldersBelow, AreTheUsersAloneAndGoWithEverythingInThem) {
  std::string files;
  std::string memory;
  {
    PrivateFolders folders;
    files = folders.files();
    memory = folders.memory();
    EXPECT_EQ(std::filesystem::path(files).parent_path(), folder_.path());
    struct stat status {};
    ASSERT_EQ(stat(files.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    std::filesystem::create_directories(files + "/a/b");
  }
  EXPECT_FALSE(std::filesystem::exists(files));
  EXPECT_FALSE(std::filesystem::exists(memory));
}

TEST_F(PrivateFoldersBelow, WhatAKilledAgentLeftIsRemovedAndWhatALivingOneHasIsNot) {
  {
    // The lock is no copy's. No child is forked for it: gRPC is at work in this process.
    PrivateFolders killed;
    std::filesystem::copy(killed.files(), folder_ / "tessera-agent-killed",
                          std::filesystem::copy_options::recursive);
  }
  EXPECT_EQ(folder_.names().size(), 1u);
  PrivateFolders first;
  EXPECT_EQ(folder_.names().size(), 1u);
  PrivateFolders second;
  EXPECT_EQ(folder_.names().size(), 2u);
  EXPECT_TRUE(std::filesystem::exists(first.files()));
}

// Each looks for what killed agents left just when the others are making theirs.
TEST_F(PrivateFoldersBelow, AgentsThatStartTogetherLeaveOneAnotherAlone) {
  std::atomic<int> lost = 0;
  std::vector<std::thread> agents;
  for (int i = 0; i < 8; ++i) {
    agents.emplace_back([&] {
      for (int j = 0; j < 100; ++j) {
        std::string error = test::error_of([&] {
          PrivateFolders folders;
          std::this_thread::yield();
          bool whole = std::filesystem::exists(folders.files() + "/lock") &&
                       std::filesystem::exists(folders.memory() + "/lock");
          if (!whole) ++lost;
        });
        EXPECT_EQ(error, "");
      }
    });
  }
  for (std::thread& agent : agents) agent.join();
  EXPECT_EQ(lost, 0);
  EXPECT_TRUE(folder_.names().empty());
}

TEST_F(PrivateFoldersBelow, WhatALivingAgentKeepsIsFoundByItsName) {
  {
    PrivateFolders first;
    PrivateFolders second;
    first.keep("token-1", "one");
    second.keep("token-2", "two");
    EXPECT_EQ(PrivateFolders::find("token-1"), "one");
    EXPECT_EQ(PrivateFolders::find("token-2"), "two");
    EXPECT_EQ(PrivateFolders::find("token-3"), "");
    EXPECT_NE(test::error_of([&] { first.keep("token-1", "again"); }), "");
    auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    auto mode = std::filesystem::status(first.files() + "/token-1").permissions();
    EXPECT_EQ(mode & others, std::filesystem::perms::none);
  }
  EXPECT_EQ(PrivateFolders::find("token-1"), "");
}

TEST_F(PrivateFoldersBelow, WhatADeadAgentKeptIsNotTaken) {
  std::filesystem::create_directories(folder_ / "tessera-agent-abcdef");
  folder_.write("tessera-agent-abcdef/lock", "");
  folder_.write("tessera-agent-abcdef/token-1", "planted");
  EXPECT_EQ(PrivateFolders::find("token-1"), "");
}

TEST_F(PrivateFoldersBelow, FoldersOfOthersAreLeftAlone) {
  std::filesystem::create_directories(folder_ / "other");
  std::filesystem::create_directories(folder_ / "tessera-agent-without-lock");
  std::filesystem::create_directory_symlink("/", folder_ / "tessera-agent-link");
  PrivateFolders folders;
  EXPECT_EQ(folder_.names().size(), 4u);
}

}  // namespace
}  // namespace tessera::agent
