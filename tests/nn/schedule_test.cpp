#include "nn/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "core/io/npz.h"

namespace tessera::optim {
namespace {

constexpr double kLr = 0.5;
constexpr int64_t kSteps = 80;

using RateOf = std::function<double(int64_t)>;
template <class Schedule>
RateOf rates(Schedule schedule) {
  return [schedule](int64_t step) { return schedule.at(step); };
}

// scripts/make_schedule_golden.py has the same rows; its "sequence" is a test of the launcher's.
std::map<std::string, RateOf> of_pytorch() {
  return {
      {"linear", rates(LinearSchedule{kLr})},
      {"linear_fall", rates(LinearSchedule{kLr, 1, 0, 70})},
      {"step", rates(StepSchedule{kLr, 7})},
      {"step_half", rates(StepSchedule{kLr, 30, 0.5})},
      {"multi_step", rates(MultiStepSchedule{kLr, {3, 20, 64}})},
      {"multi_step_half", rates(MultiStepSchedule{kLr, {1, 79}, 0.5})},
      {"exponential", rates(ExponentialSchedule{kLr, 0.97})},
      {"polynomial", rates(PolynomialSchedule{kLr, 60})},
      {"polynomial_square", rates(PolynomialSchedule{kLr, 75, 2})},
      {"cosine", rates(CosineSchedule{kLr, 0, kSteps, 0.1})},
      {"cosine_restarts", rates(CosineRestartsSchedule{kLr, 9})},
      {"cosine_restarts_longer", rates(CosineRestartsSchedule{kLr, 5, 2, 0.1})},
      {"one_cycle", rates(OneCycleSchedule{kLr, kSteps})},
      {"one_cycle_linear", rates(OneCycleSchedule{kLr, kSteps, 0.45, Anneal::linear, 10, 100})},
      {"one_cycle_three",
       rates(OneCycleSchedule{.lr = kLr, .total_steps = kSteps, .three_phase = true})},
      {"cyclic", rates(CyclicSchedule{kLr, 0.1, 8})},
      {"cyclic_uneven", rates(CyclicSchedule{kLr, 0.2, 5, 11})},
      {"cyclic_halved", rates(CyclicSchedule{kLr, 0.1, 10, {}, CycleMode::triangular2})},
      {"cyclic_shrinking", rates(CyclicSchedule{kLr, 0.1, 7, {}, CycleMode::exp_range, 0.98})},
  };
}

TEST(Schedules, AreThoseOfPyTorch) {
  std::map<std::string, std::vector<double>> golden;
  for (const auto& [name, array] : load_npz(TESSERA_GOLDEN_DIR "/optim/schedules.npz")) {
    golden[name] = array.to_vector<double>();
  }
  std::map<std::string, RateOf> schedules = of_pytorch();
  EXPECT_EQ(golden.size(), schedules.size() + 1);
  for (const auto& [name, rate] : schedules) {
    const std::vector<double>& expected = golden[name];
    ASSERT_EQ(expected.size(), static_cast<size_t>(kSteps)) << name;
    for (int64_t step = 0; step < kSteps; ++step) {
      ASSERT_NEAR(rate(step), expected[static_cast<size_t>(step)], 1e-9) << name << " " << step;
    }
  }
}

// However short a run, and beyond its end.
TEST(Schedules, AreFiniteAndNoHigherThanTheirRate) {
  std::vector<RateOf> all;
  for (int64_t steps = 1; steps < 5; ++steps) {
    for (double share : {0.0, 0.3, 1.0}) {
      for (bool three : {false, true}) {
        all.push_back(rates(OneCycleSchedule{
            .lr = kLr, .total_steps = steps, .pct_start = share, .three_phase = three}));
      }
    }
    all.push_back(rates(StableSchedule{kLr, steps, 3}));
    all.push_back(rates(CosineRestartsSchedule{kLr, steps, INT64_MAX}));
    all.push_back(rates(LinearSchedule{kLr, 1, 0, steps}));
    all.push_back(rates(PolynomialSchedule{kLr, steps, 0.5}));
    all.push_back(rates(InverseSqrtSchedule{kLr, steps}));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    for (int64_t step : {0, 1, 2, 3, 4, 5, 1000000}) {
      double lr = all[i](step);
      EXPECT_TRUE(std::isfinite(lr) && lr >= 0 && lr <= kLr * (1 + 1e-12)) << i << " at " << step;
    }
  }
}

TEST(StableSchedule, FallsAtTheEndOnly) {
  StableSchedule schedule{.lr = 2, .steps = 20, .decay = 4, .final_fraction = 0.5};
  EXPECT_EQ(schedule.at(0), 2);
  EXPECT_EQ(schedule.at(15), 2);
  EXPECT_DOUBLE_EQ(schedule.at(16), 1.75);
  EXPECT_DOUBLE_EQ(schedule.at(19), 1);
  EXPECT_DOUBLE_EQ(schedule.at(1000), 1);
  schedule.fall = Fall::sqrt;
  EXPECT_DOUBLE_EQ(schedule.at(16), 1.5);
  EXPECT_DOUBLE_EQ(schedule.at(19), 1);
  schedule.fall = Fall::cosine;
  EXPECT_DOUBLE_EQ(schedule.at(17), 1.5);
  schedule.decay = 0;
  EXPECT_EQ(schedule.at(19), 2);
}

TEST(InverseSqrtSchedule, FallsAsTheRootRises) {
  InverseSqrtSchedule schedule{.lr = 2, .timescale = 100};
  EXPECT_DOUBLE_EQ(schedule.at(0), 2);
  EXPECT_DOUBLE_EQ(schedule.at(300), 1);
}

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
