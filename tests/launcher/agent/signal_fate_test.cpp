#include "launcher/agent/signal_fate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace tessera::agent {
namespace {

class FateOf : public testing::Test {
 protected:
  void TearDown() override {
    std::signal(SIGUSR1, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &blocked_, nullptr);
  }
  static SignalFate fate() { return fate_of(getpid(), SIGUSR1); }

  sigset_t blocked_{};
};

TEST_F(FateOf, AProcessDiesOfASignalUnlessItSaysOtherwise) {
  EXPECT_EQ(fate(), SignalFate::dies);
  EXPECT_EQ(fate_of(getpid(), SIGKILL), SignalFate::dies);
}

TEST_F(FateOf, WhoCatchesOrIgnoresItLivesOnAndWhoBlocksItHoldsIt) {
  std::signal(SIGUSR1, [](int) {});
  EXPECT_EQ(fate(), SignalFate::lives);
  std::signal(SIGUSR1, SIG_IGN);
  EXPECT_EQ(fate(), SignalFate::lives);
  std::signal(SIGUSR1, SIG_DFL);
  EXPECT_EQ(fate(), SignalFate::dies);
  sigaddset(&blocked_, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked_, nullptr);
  // The file tells of the thread that the process began with.
  EXPECT_EQ(fate_of(gettid(), SIGUSR1), SignalFate::holds);
  EXPECT_EQ(fate_of(gettid(), SIGUSR2), SignalFate::dies);
  std::signal(SIGUSR1, [](int) {});
  EXPECT_EQ(fate_of(gettid(), SIGUSR1), SignalFate::lives);
}

TEST_F(FateOf, WhoIsGoneDiesOfNothing) {
  constexpr pid_t kMostEver = 1 << 22;
  EXPECT_EQ(fate_of(kMostEver + 1, SIGTERM), SignalFate::lives);
}

}  // namespace
}  // namespace tessera::agent
