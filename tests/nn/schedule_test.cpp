#include "nn/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::optim {
namespace {

TEST(CosineSchedule, RisesAndFalls) {
  CosineSchedule schedule{.lr = 2, .warmup = 4, .steps = 15, .final_fraction = 0.1};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(1), 1);
  EXPECT_DOUBLE_EQ(schedule.at(3), 2);
  EXPECT_DOUBLE_EQ(schedule.at(4), 2);
  // Half-way between 4 and 14: half-way between 2 and 0.2.
  EXPECT_DOUBLE_EQ(schedule.at(9), 1.1);
  EXPECT_DOUBLE_EQ(schedule.at(14), 0.2);
  for (int64_t step = 5; step < 15; ++step) EXPECT_LT(schedule.at(step), schedule.at(step - 1));
}

TEST(CosineSchedule, StaysAtItsEnd) {
  CosineSchedule schedule{.lr = 1, .warmup = 0, .steps = 10, .final_fraction = 0.25};
  EXPECT_DOUBLE_EQ(schedule.at(9), 0.25);
  EXPECT_DOUBLE_EQ(schedule.at(1000), 0.25);
}

TEST(CosineSchedule, StartsAtTheTopWithoutWarmup) {
  CosineSchedule schedule{.lr = 3, .steps = 100};
  EXPECT_DOUBLE_EQ(schedule.at(0), 3);
  EXPECT_NEAR(schedule.at(99), 0, 1e-15);
}

TEST(CosineSchedule, IsFiniteHoweverShortTheRun) {
  for (int64_t warmup = 0; warmup < 5; ++warmup) {
    for (int64_t steps = 1; steps < 5; ++steps) {
      CosineSchedule schedule{.lr = 1, .warmup = warmup, .steps = steps};
      for (int64_t step = 0; step < 6; ++step) {
        double lr = schedule.at(step);
        EXPECT_TRUE(std::isfinite(lr) && lr >= 0 && lr <= 1) << warmup << steps << step;
      }
    }
  }
}

}  // namespace
}  // namespace tessera::optim
