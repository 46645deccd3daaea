// The rendezvous under thousands of seeded schedules of faults. TESSERA_SCHEDULES sets how many.
#include "tests/launcher/rendezvous/simulator.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tessera::test {
namespace {

Scenario scenario_of(uint64_t seed) {
  Scenario scenario;
  scenario.seed = seed;
  scenario.num_nodes = 1 + static_cast<int>(seed % 5);
  scenario.min_nodes = 1 + static_cast<int>(seed / 5 % static_cast<uint64_t>(scenario.num_nodes));
  scenario.max_nodes = scenario.num_nodes;
  scenario.faults_per_second = seed % 7 == 0 ? 2.0 : 0.5;
  scenario.max_delay = seed % 3 == 0 ? 800 : 60;
  return scenario;
}

uint64_t num_schedules() {
  const char* text = std::getenv("TESSERA_SCHEDULES");
  return text ? std::strtoull(text, nullptr, 10) : 1000;
}

TEST(Simulator, NoScheduleBreaksAPromise) {
  std::map<std::string, int> faults;
  int64_t generations = 0;
  for (uint64_t seed = 0; seed < num_schedules(); ++seed) {
    Simulator simulator(scenario_of(seed));
    std::string broken = simulator.run();
    ASSERT_EQ(broken, "") << "seed " << seed;
    for (const auto& [name, count] : simulator.faults()) faults[name] += count;
    generations += simulator.num_generations();
  }
  EXPECT_EQ(faults.size(), 8u);  // every kind has happened
  EXPECT_GT(generations, static_cast<int64_t>(num_schedules()));
}

TEST(Simulator, AScheduleIsTheSameEveryTime) {
  Simulator first(scenario_of(7));
  Simulator second(scenario_of(7));
  EXPECT_EQ(first.run(), second.run());
  EXPECT_EQ(first.now(), second.now());
  EXPECT_EQ(first.num_generations(), second.num_generations());
}

// Starts ranks while those of lost nodes may live.
class NoHold : public rendezvous::LeaseHold {
 public:
  using LeaseHold::LeaseHold;
  bool is_over(Millis) const override { return true; }
};

TEST(Simulator, FindsACoordinatorThatDoesNotWaitForLeases) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Scenario scenario = scenario_of(seed);
    scenario.make_hold = [](const auto& settings, Millis now) {
      return std::make_unique<NoHold>(settings, now);
    };
    std::string broken = Simulator(scenario).run();
    if (broken.find("live together") != std::string::npos) return;
    ASSERT_EQ(broken, "") << "seed " << seed;
  }
  FAIL() << "no schedule has shown it";
}

}  // namespace
}  // namespace tessera::test
