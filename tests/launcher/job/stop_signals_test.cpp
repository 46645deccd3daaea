#include "launcher/job/stop_signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "launcher/job/stop_request.h"

namespace tessera::job {
namespace {

TEST(StopSignals, TheFirstIsNotedAndTheSecondEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (int first : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGXCPU}) {
    for (int second : {SIGINT, SIGTERM, SIGHUP}) {
      EXPECT_EXIT(
          {
            std::signal(SIGHUP, SIG_DFL);
            watch_stop_signals();
            if (stop_signal() != 0) std::exit(1);
            std::raise(first);
            if (stop_signal() != first) std::exit(2);
            if (second == first) std::this_thread::sleep_for(std::chrono::milliseconds(1100));
            std::raise(second);
            std::exit(3);
          },
          testing::KilledBySignal(second), "");
    }
  }
}

// Raises a signal in this process by another one.
void raise_from_outside(int signal) {
  pid_t target = getpid();
  pid_t child = fork();
  if (child == 0) _exit(kill(target, signal));
  waitpid(child, nullptr, 0);
}

[[noreturn]] void take_two(SecondSignal what, int second) {
  watch_stop_signals(what);
  std::raise(SIGTERM);
  raise_from_outside(second);
  std::exit(stop_signal() == SIGTERM ? 75 : 1);
}

TEST(StopSignals, OneRequestByTwoWaysCountsOnce) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(take_two(SecondSignal::ends, SIGTERM), testing::ExitedWithCode(75), "");
  EXPECT_EXIT(take_two(SecondSignal::ends, SIGINT), testing::ExitedWithCode(75), "");
}

[[noreturn]] void take_one_twice() {
  watch_stop_signals();
  std::raise(SIGTERM);
  std::raise(SIGCONT);
  std::raise(SIGTERM);
  std::exit(stop_signal() == SIGTERM ? 75 : 1);
}

// As Slurm does at a time limit.
TEST(StopSignals, OneThatIsRepeatedAtOnceCountsOnce) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(take_one_twice(), testing::ExitedWithCode(75), "");
}

TEST(StopSignals, AKeyThatIsPressedTwiceAsksTwice) {
  const StopRequest first{SIGINT, 0, 100};
  EXPECT_FALSE(is_same_request(first, {SIGINT, 0, 200}));
  EXPECT_TRUE(is_same_request(first, {SIGTERM, 7, 200})) << "a launcher that got it too";
  EXPECT_FALSE(is_same_request(first, {SIGTERM, 7, 1200}));
}

[[noreturn]] void take_a_late_second() {
  watch_stop_signals();
  std::raise(SIGTERM);
  sleep(2);
  raise_from_outside(SIGTERM);
  std::exit(75);
}

TEST(StopSignals, ALaterOneFromElsewhereIsASecond) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(take_a_late_second(), testing::KilledBySignal(SIGTERM), "");
}

[[noreturn]] void take_many_under_a_launcher() {
  watch_stop_signals(SecondSignal::ignored);
  for (int i = 0; i < 10; ++i) std::raise(i % 2 == 0 ? SIGINT : SIGTERM);
  std::exit(stop_signal() == SIGINT ? 75 : 1);
}

TEST(StopSignals, UnderALauncherItIsForTheLauncherToDecide) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(take_many_under_a_launcher(), testing::ExitedWithCode(75), "");
}

[[noreturn]] void take_a_hangup_under_nohup() {
  std::signal(SIGHUP, SIG_IGN);
  watch_stop_signals();
  std::raise(SIGHUP);
  std::exit(stop_signal() == 0 ? 75 : 1);
}

TEST(StopSignals, NohupOutlivesItsTerminal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(take_a_hangup_under_nohup(), testing::ExitedWithCode(75), "");
}

[[noreturn]] void take_repeated_limits() {
  watch_stop_signals();
  for (int i = 0; i < 5; ++i) std::raise(SIGXCPU);
  std::exit(stop_signal() == SIGXCPU ? 75 : 1);
}

TEST(StopSignals, TheKernelRepeatsALimit) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(take_repeated_limits(), testing::ExitedWithCode(75), "");
}

}  // namespace
}  // namespace tessera::job
