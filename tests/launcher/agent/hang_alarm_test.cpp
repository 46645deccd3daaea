#include "launcher/agent/hang_alarm.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/boot_clock.h"
#include "core/descriptor.h"

namespace tessera::agent {
namespace {

using job::ProgressBoard;

Descriptor memory_for_one() {
  Descriptor memory(memfd_create("board", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(memory.get(), ProgressBoard::kPlaceBytes), 0);
  return memory;
}

TEST(HangAlarm, AsksForTheStackAndTellsOfTheHangAMomentLater) {
  Descriptor memory = memory_for_one();
  ProgressBoard board(memory.get(), 1);
  pid_t child = fork();
  if (child == 0) {
    std::signal(SIGUSR2, [](int) { _exit(42); });
    for (;;) pause();
  }
  HangAlarm alarm(1, 1000);
  board.begin_step(0);
  board.end_step(0, 3, 10, 1);
  board.begin_step(0);
  // Once the child is in pause(), whatever the handler's installation took.
  int64_t now = boot_ms();
  while (now + 100 > boot_ms()) usleep(1000);
  now = boot_ms();
  EXPECT_EQ(alarm.look(board, {child}, now), nullptr);
  EXPECT_EQ(alarm.look(board, {child}, now + 2000), nullptr) << "it is asked for its stack";
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << status;
  EXPECT_EQ(alarm.look(board, {0}, now + 2300), nullptr);
  const Hang* hang = alarm.look(board, {0}, now + 2301);
  ASSERT_NE(hang, nullptr);
  EXPECT_NE(hang->text.find("after step 3"), std::string::npos) << hang->text;
  EXPECT_EQ(alarm.look(board, {0}, now + 9000), hang) << "the first one stays";
}

}  // namespace
}  // namespace tessera::agent
