#include "launcher/job/progress_board.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>

#include "core/descriptor.h"
#include "core/error.h"

namespace tessera::job {
namespace {

class ProgressSignsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_GE(memory_.get(), 0);
    ASSERT_EQ(ftruncate(memory_.get(), 2 * ProgressBoard::kPlaceBytes), 0);
  }
  void TearDown() override { unsetenv(kBoardVariable); }
  void name(const std::string& value) { setenv(kBoardVariable, value.c_str(), 1); }
  std::string descriptor() const { return std::to_string(memory_.get()); }

  Descriptor memory_{memfd_create("board", 0)};
};

TEST_F(ProgressSignsTest, ARanksSignsArriveAtItsPlace) {
  ProgressBoard board(memory_.get(), 2);
  name(descriptor() + ":1");
  ProgressSigns signs;
  ASSERT_TRUE(signs);
  signs.begin_step();
  EXPECT_TRUE(board.read(1).steps_on);
  signs.end_step(7, 2.5, 100);
  signs.begin_call("all_reduce");
  signs.pause_steps();
  RankProgress read = board.read(1);
  EXPECT_EQ(read.steps, 7);
  EXPECT_EQ(read.step_ms, 2.5);
  EXPECT_EQ(read.throughput, 100);
  EXPECT_EQ(read.calls, 1);
  EXPECT_EQ(read.call, "all_reduce");
  EXPECT_GT(read.sign_ms, 0);
  EXPECT_FALSE(read.steps_on);
  EXPECT_EQ(board.read(0).steps, 0);
  board.clear();
  EXPECT_EQ(board.read(1).steps, 0);
}

TEST_F(ProgressSignsTest, WithoutABoardTheyGoNowhere) {
  EXPECT_FALSE(ProgressSigns());
  for (const std::string& wrong :
       {std::string(), std::string("x"), descriptor(), descriptor() + ":", descriptor() + ":1x",
        descriptor() + ":70000", descriptor() + ":2", std::string("9999:0")}) {
    name(wrong);
    ProgressSigns signs;
    EXPECT_FALSE(signs) << wrong;
    signs.begin_step();
    signs.end_step(1, 1, 1);
    signs.begin_call("barrier");
    signs.pause_steps();
  }
}

TEST_F(ProgressSignsTest, ABoardThatIsTooSmallIsAnError) {
  EXPECT_THROW(ProgressBoard(memory_.get(), 3), Error);
  EXPECT_THROW(ProgressBoard(-1, 1), Error);
}

}  // namespace
}  // namespace tessera::job
