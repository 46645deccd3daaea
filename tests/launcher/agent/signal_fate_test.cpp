#include "launcher/agent/signal_fate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace tessera::agent {
namespace {

class SignalFate : public testing::Test {
 protected:
  void TearDown() override {
    std::signal(SIGUSR1, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &blocked_, nullptr);
  }
  static bool would_die() { return would_die_of(SIGUSR1, getpid()); }

  sigset_t blocked_{};
};

TEST_F(SignalFate, AProcessDiesOfASignalUnlessItSaysOtherwise) {
  EXPECT_TRUE(would_die());
  EXPECT_TRUE(would_die_of(SIGKILL, getpid()));
}

TEST_F(SignalFate, WhoCatchesIgnoresOrBlocksItLivesOn) {
  std::signal(SIGUSR1, [](int) {});
  EXPECT_FALSE(would_die());
  std::signal(SIGUSR1, SIG_IGN);
  EXPECT_FALSE(would_die());
  std::signal(SIGUSR1, SIG_DFL);
  EXPECT_TRUE(would_die());
  sigaddset(&blocked_, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked_, nullptr);
  // The file tells of the thread that the process began with.
  EXPECT_FALSE(would_die_of(SIGUSR1, gettid()));
  EXPECT_TRUE(would_die_of(SIGUSR2, gettid()));
}

TEST_F(SignalFate, WhoIsGoneDiesOfNothing) {
  constexpr pid_t kMostEver = 1 << 22;
  EXPECT_FALSE(would_die_of(SIGTERM, kMostEver + 1));
}

}  // namespace
}  // namespace tessera::agent
