#include "launcher/agent/stop_delivery.h"

#include <gtest/gtest.h>

#include <csignal>
#include <map>

namespace tessera::agent {
namespace {

using std::chrono::milliseconds;

class StopDeliveryOfTwo : public testing::Test {
 protected:
  StopDeliveryOfTwo() {
    stop_.begin(start_);
    stop_.ask();
  }
  bool due(int after_ms, bool all_started = true) {
    return stop_.is_due({10, 11}, all_started, start_ + milliseconds(after_ms));
  }

  std::map<pid_t, SignalFate> fates_{{10, SignalFate::lives}, {11, SignalFate::lives}};
  StopDelivery stop_{SIGTERM, [this](pid_t process, int signal) {
                       EXPECT_EQ(signal, SIGTERM);
                       return fates_.at(process);
                     }};
  StopDelivery::Clock::time_point start_ = StopDelivery::Clock::now();
};

TEST_F(StopDeliveryOfTwo, IsDueOnceWhenAllWatchForIt) {
  EXPECT_TRUE(due(0));
  EXPECT_FALSE(due(1));
  stop_.ask();
  EXPECT_TRUE(due(2));
}

TEST_F(StopDeliveryOfTwo, WaitsForThoseThatWouldDieOfIt) {
  fates_[11] = SignalFate::dies;
  EXPECT_FALSE(due(0));
  EXPECT_FALSE(due(4999));
  fates_[11] = SignalFate::lives;
  EXPECT_TRUE(due(4999));
}

TEST_F(StopDeliveryOfTwo, WaitsNoLongerThanTheyHaveToHear) {
  fates_[11] = SignalFate::dies;
  EXPECT_TRUE(due(5000));
}

TEST_F(StopDeliveryOfTwo, WaitsForThoseThatAreNotStarted) {
  EXPECT_FALSE(due(0, false));
  EXPECT_TRUE(due(0, true));
}

TEST_F(StopDeliveryOfTwo, WhoBlocksItForAMomentIsWaitedForAndWhoMeansItIsNot) {
  fates_[10] = SignalFate::holds;
  EXPECT_FALSE(due(100));
  EXPECT_FALSE(due(599));
  fates_[11] = SignalFate::dies;
  EXPECT_FALSE(due(600)) << "somebody would die of it";
  fates_[11] = SignalFate::lives;
  EXPECT_FALSE(due(700)) << "it counts anew";
  EXPECT_TRUE(due(1200));
}

TEST_F(StopDeliveryOfTwo, ThoseThatHaveEndedAreNotAsked) {
  fates_.clear();
  EXPECT_TRUE(stop_.is_due({0, 0}, true, start_));
}

TEST_F(StopDeliveryOfTwo, WhatIsForgottenIsNotSent) {
  stop_.forget();
  EXPECT_FALSE(due(10'000));
}

}  // namespace
}  // namespace tessera::agent
