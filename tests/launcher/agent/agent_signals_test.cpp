#include "launcher/agent/agent_signals.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <csignal>

namespace tessera::agent {
namespace {

using Wish = AgentSignals::Wish;

// This thread's signals, as the agent's.
class AgentSignalsOfThis : public testing::Test {
 protected:
  AgentSignalsOfThis() {
    pthread_sigmask(SIG_SETMASK, nullptr, &before_);
    block_agent_signals();
    signals_.emplace();
  }
  ~AgentSignalsOfThis() override {
    while (signals_->next(1'000'000)) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    std::signal(SIGPIPE, SIG_DFL);
  }
  static void send(int signal) { pthread_kill(pthread_self(), signal); }

  sigset_t before_{};
  std::optional<AgentSignals> signals_;
};

TEST_F(AgentSignalsOfThis, WithoutOneNothingIsAskedFor) { EXPECT_FALSE(signals_->next(0)); }

TEST_F(AgentSignalsOfThis, TheRanksOwnArePassedOn) {
  for (int signal : {SIGUSR1, SIGUSR2}) {
    send(signal);
    auto request = signals_->next(0);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->wish, Wish::pass_on);
    EXPECT_EQ(request->signal, signal);
  }
}

TEST_F(AgentSignalsOfThis, TheFirstToStopAsksToLeaveAndALaterOneEndsAtOnce) {
  send(SIGTERM);
  EXPECT_EQ(signals_->next(0)->wish, Wish::leave);
  send(SIGTERM);
  EXPECT_FALSE(signals_->next(20)) << "its sender repeats it";
  send(SIGTERM);
  auto second = signals_->next(1500);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->wish, Wish::end_at_once);
  EXPECT_EQ(second->signal, SIGTERM);
}

TEST_F(AgentSignalsOfThis, ThatAChildHasEndedIsNoRequest) {
  send(SIGCHLD);
  EXPECT_FALSE(signals_->next(0));
}

}  // namespace
}  // namespace tessera::agent
