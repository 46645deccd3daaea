#include "launcher/agent/hang_watch.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include "core/boot_clock.h"
#include "core/descriptor.h"
#include "core/error.h"

namespace tessera::agent {
namespace {

using job::ProgressBoard;

Descriptor memory_for(size_t places) {
  Descriptor memory(memfd_create("board", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(memory.get(), static_cast<off_t>(places * ProgressBoard::kPlaceBytes)), 0);
  return memory;
}

class HangWatchOfTwo : public testing::Test {
 protected:
  void step(size_t place, int64_t steps, double step_ms) {
    board_.begin_step(place);
    board_.end_step(place, steps, step_ms, 1);
    board_.begin_step(place);
    watch_.look(board_, processes_, boot_ms());
  }

  Descriptor memory_ = memory_for(2);
  ProgressBoard board_{memory_.get(), 2};
  HangWatch watch_{2, 1000};
  std::vector<pid_t> processes_{getpid(), getpid()};
};

TEST_F(HangWatchOfTwo, ARankInAStepWithoutASignHangs) {
  step(0, 3, 10);
  EXPECT_FALSE(watch_.look(board_, processes_, boot_ms() + 900));
  auto hang = watch_.look(board_, processes_, boot_ms() + 1500);
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->place, 0u);
  EXPECT_NE(hang->text.find("after step 3"), std::string::npos) << hang->text;
}

TEST_F(HangWatchOfTwo, SlowStepsAreGivenFiveOfTheirTime) {
  for (int64_t steps = 1; steps < 6; ++steps) step(0, steps, 600);
  EXPECT_FALSE(watch_.look(board_, processes_, boot_ms() + 2900));
  EXPECT_TRUE(watch_.look(board_, processes_, boot_ms() + 3200));
}

TEST_F(HangWatchOfTwo, InOtherThingsAndBeforeTheFirstStepIsDoneNothingIsAHang) {
  board_.begin_step(0);
  EXPECT_FALSE(watch_.look(board_, processes_, boot_ms() + 60'000));
  step(1, 4, 10);
  board_.pause_steps(1);
  EXPECT_FALSE(watch_.look(board_, processes_, boot_ms() + 60'000));
}

TEST_F(HangWatchOfTwo, ACallIsASignOfLife) {
  step(0, 3, 10);
  usleep(20'000);
  board_.begin_call(0, "all_reduce");
  int64_t sign = board_.read(0).sign_ms;
  EXPECT_FALSE(watch_.look(board_, processes_, sign + 990));
}

TEST_F(HangWatchOfTwo, TheRankThatTheOthersWaitForIsNamed) {
  step(0, 3, 10);
  step(1, 3, 10);
  for (int i = 0; i < 7; ++i) board_.begin_call(0, "all_reduce(sum, f32, 12 elements)");
  for (int i = 0; i < 6; ++i) board_.begin_call(1, "barrier()");
  auto hang = watch_.look(board_, processes_, boot_ms() + 5000);
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->place, 1u);
  EXPECT_NE(hang->text.find("number 6, is barrier()"), std::string::npos) << hang->text;
}

// A process that a signal has stopped, or a debugger: this one.
class StoppedProcess {
 public:
  explicit StoppedProcess(bool traced = false) : pid_(fork()) {
    if (pid_ == 0) {
      if (traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      raise(SIGSTOP);
      pause();
      _exit(0);
    }
    waitpid(pid_, nullptr, WUNTRACED);
  }
  ~StoppedProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  StoppedProcess(const StoppedProcess&) = delete;
  StoppedProcess& operator=(const StoppedProcess&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST_F(HangWatchOfTwo, AProcessThatIsStoppedInItsStartIsAHang) {
  StoppedProcess stopped;
  processes_ = {getpid(), stopped.pid()};
  int64_t now = boot_ms();
  EXPECT_FALSE(watch_.look(board_, processes_, now));
  EXPECT_FALSE(watch_.look(board_, processes_, now + 990));
  auto hang = watch_.look(board_, processes_, now + 1500);
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->place, 1u);
  EXPECT_EQ(hang->text, "has stood still for 1.5 s; a signal has stopped it");
  kill(stopped.pid(), SIGCONT);
  processes_[1] = 0;  // has ended
  EXPECT_FALSE(watch_.look(board_, processes_, now + 5000));
}

TEST_F(HangWatchOfTwo, AProcessThatADebuggerHoldsInItsStartIsNone) {
  StoppedProcess traced(true);
  processes_ = {getpid(), traced.pid()};
  int64_t now = boot_ms();
  EXPECT_FALSE(watch_.look(board_, processes_, now));
  EXPECT_FALSE(watch_.look(board_, processes_, now + 60'000));
}

TEST_F(HangWatchOfTwo, AStoppedProcessIsTheCulprit) {
  StoppedProcess stopped;
  processes_[0] = stopped.pid();
  step(0, 3, 10);
  step(1, 3, 10);
  board_.begin_call(0, "barrier()");
  auto hang = watch_.look(board_, processes_, boot_ms() + 5000);
  ASSERT_TRUE(hang);
  EXPECT_EQ(hang->place, 0u);
  EXPECT_TRUE(hang->stopped);
}

TEST(ProgressBoard, WhatARankWritesIsReadBackAndHarmless) {
  Descriptor memory = memory_for(1);
  ProgressBoard board(memory.get(), 1);
  board.begin_call(0, std::string(1000, 'x') + "\n");
  board.begin_call(0, "a\x1b[31mred\n");
  EXPECT_EQ(board.read(0).call, "a?[31mred?");
  EXPECT_EQ(board.read(0).calls, 2);
  EXPECT_THROW(ProgressBoard(memory.get(), 2), Error);
}

}  // namespace
}  // namespace tessera::agent
