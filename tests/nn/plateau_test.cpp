#include "nn/optim/plateau.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "core/io/npz.h"
#include "tests/support/error_of.h"

namespace tessera::optim {
namespace {

using test::contains;
using test::error_of;

constexpr double kLr = 0.5;

// scripts/make_schedule_golden.py has the same rows.
const std::map<std::string, PlateauSchedule::Options>& of_pytorch() {
  static const std::map<std::string, PlateauSchedule::Options> rows{
      {"plain", {.patience = 3}},
      {"none", {.factor = 0.5, .patience = 0, .threshold = 0}},
      {"absolute",
       {.factor = 0.3, .patience = 2, .threshold = 0.05, .threshold_mode = Threshold::abs}},
      {"cooldown", {.factor = 0.5, .patience = 1, .threshold = 1e-3, .cooldown = 4}},
      {"least", {.factor = 0.2, .patience = 1, .min_lr = 0.01}},
      {"eps", {.factor = 0.9, .patience = 1, .eps = 0.02}}};
  return rows;
}

struct Golden {
  std::map<std::string, std::vector<double>> rows;

  Golden() {
    for (const auto& [name, array] : load_npz(TESSERA_GOLDEN_DIR "/optim/plateau.npz")) {
      rows[name] = array.to_vector<double>();
    }
  }
};

TEST(PlateauSchedule, IsThatOfPyTorch) {
  Golden golden;
  EXPECT_EQ(golden.rows.size(), of_pytorch().size() + 1);
  const std::vector<double>& losses = golden.rows.at("losses");
  for (const auto& [name, options] : of_pytorch()) {
    PlateauSchedule schedule(kLr, options);
    for (size_t i = 0; i < losses.size(); ++i) {
      schedule.observe(losses[i]);
      ASSERT_NEAR(schedule.rate(), golden.rows.at(name)[i], 1e-9) << name << " " << i;
    }
  }
}

TEST(PlateauSchedule, GoesOnFromItsSavedState) {
  std::vector<double> losses = Golden().rows.at("losses");
  for (const auto& [name, options] : of_pytorch()) {
    for (size_t cut : {0, 1, 7, 20, 41}) {
      PlateauSchedule whole(kLr, options);
      PlateauSchedule first(kLr, options);
      PlateauSchedule second(kLr, options);
      for (size_t i = 0; i < losses.size(); ++i) {
        if (i == cut) second.restore(first.state());
        whole.observe(losses[i]);
        (i < cut ? first : second).observe(losses[i]);
      }
      EXPECT_EQ(second.state(), whole.state()) << name << " cut at " << cut;
    }
  }
}

TEST(PlateauSchedule, KeepsItsFallsWithAnotherRate) {
  PlateauSchedule first(0.5, {.patience = 0});
  for (double loss : {1, 1, 2}) first.observe(loss);
  EXPECT_DOUBLE_EQ(first.rate(), 0.005);
  PlateauSchedule second(2, {.patience = 0});
  second.restore(first.state());
  EXPECT_DOUBLE_EQ(second.rate(), 0.02);
}

TEST(PlateauSchedule, TakesNoLossThatIsNotFiniteForBetter) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (double loss : {-kInfinity, kInfinity, std::nan("")}) {
    PlateauSchedule schedule(kLr, {.patience = 1});
    schedule.observe(1);
    std::string best = schedule.state();
    schedule.observe(loss);
    EXPECT_NE(schedule.state(), best) << loss;  // one that was no better
    schedule.observe(0.5);
    EXPECT_EQ(schedule.rate(), kLr) << loss;
    schedule.observe(loss);
    schedule.observe(loss);
    EXPECT_DOUBLE_EQ(schedule.rate(), kLr / 10) << loss;
  }
}

TEST(PlateauSchedule, NamesMistakes) {
  auto error = [](PlateauSchedule::Options options, double lr = kLr) {
    return error_of([&] { PlateauSchedule(lr, options); });
  };
  EXPECT_TRUE(contains(error({.factor = 1}), "expected a factor in [0, 1), got 1"));
  EXPECT_TRUE(contains(error({.patience = -1}), "a patience and a cooldown of at least 0"));
  EXPECT_TRUE(contains(error({.min_lr = -1}), "expected a threshold, a min_lr and an eps"));
  EXPECT_TRUE(contains(error({}, -1), "expected a finite rate of at least 0, got -1"));
  PlateauSchedule schedule(kLr, {});
  std::string before = schedule.state();
  for (std::string text : {"", "1 2", "1 1 1 1 1 1", "1 nan 1 1 1", "1 1 -inf 1 1", "1 1 1 -1 0",
                           "a b c d e", "1 1 1 1 0.5"}) {
    EXPECT_TRUE(contains(error_of([&] { schedule.restore(text); }), "got '" + text + "'")) << text;
  }
  EXPECT_EQ(schedule.state(), before);
}

}  // namespace
}  // namespace tessera::optim
