#include "launcher/experiment/skipped_steps.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/error_of.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

StepResult step(bool finite, std::optional<double> loss_scale, bool left_out = false) {
  return {StepNumbers{.loss = 1.5,
                      .grad_norm = finite ? 0.5 : HUGE_VAL,
                      .finite = finite,
                      .left_out = left_out},
          8, false, loss_scale};
}

TEST(SkippedSteps, SayWhy) {
  SkippedSteps steps;
  EXPECT_EQ(steps.look(3, step(true, {}), ""), "");
  EXPECT_EQ(steps.look(3, step(true, 8.0), ""), "");
  EXPECT_EQ(steps.look(4, step(false, 1024.0), ""),
            "step 4 is skipped: the loss is 1.5 and the gradient's norm is inf at the loss scale "
            "1024");
  EXPECT_EQ(steps.look(5, step(true, {}, true), "the loss is high"),
            "step 5 is skipped: the loss is high");
}

TEST(SkippedSteps, EndARunWhoseLossesAreNotScaled) {
  EXPECT_EQ(error_of([] { SkippedSteps().look(4, step(false, {}), ""); }),
            "step 4: the loss is 1.5 and the gradient's norm is inf");
}

TEST(SkippedSteps, EndARunWhenTheyAreTooManyInARow) {
  SkippedSteps steps;
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i < SkippedSteps::kMostInARow; ++i) steps.look(i, step(false, 8.0), "");
    EXPECT_EQ(steps.look(100, step(true, 8.0), ""), "");
  }
  for (int i = 1; i < SkippedSteps::kMostInARow; ++i) steps.look(i, step(false, 8.0), "");
  EXPECT_TRUE(contains(error_of([&] { steps.look(300, step(false, 8.0), ""); }),
                       "at the loss scale 8, and 100 steps in a row were skipped for that"));
}

}  // namespace
}  // namespace tessera::experiment
