#include "launcher/experiment/stop_signals.h"

#include <gtest/gtest.h>

#include <csignal>

namespace tessera::experiment {
namespace {

TEST(StopSignals, TheFirstIsNotedAndTheSecondEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (int first : {SIGINT, SIGTERM, SIGUSR1}) {
    for (int second : {SIGINT, SIGTERM}) {
      EXPECT_EXIT(
          {
            watch_stop_signals();
            if (stop_signal() != 0) std::exit(1);
            std::raise(first);
            if (stop_signal() != first) std::exit(2);
            std::raise(second);
            std::exit(3);
          },
          testing::KilledBySignal(second), "");
    }
  }
}

}  // namespace
}  // namespace tessera::experiment
