#include "launcher/agent/rank_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "tests/support/temp_dir.h"

namespace tessera::agent {
namespace {

struct Pipe {
  Descriptor read;
  Descriptor write;
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    read = Descriptor(ends[0]);
    write = Descriptor(ends[1]);
  }
  void say(const std::string& text) const {
    EXPECT_EQ(::write(write.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
};

class RankOutputToFiles : public testing::Test {
 protected:
  Descriptor file(const std::string& name) const {
    return Descriptor(
        open((folder_ / name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }
  std::unique_ptr<RankOutput> make(bool prefixed, const std::string& log = "") {
    return std::make_unique<RankOutput>(RankOutput::Options{
        .prefixed = prefixed, .folder = log, .out = out_.get(), .err = err_.get()});
  }

  test::TempDir folder_;
  Descriptor out_ = file("out");
  Descriptor err_ = file("err");
  Pipe rank_out_;
  Pipe rank_err_;
};

TEST_F(RankOutputToFiles, LinesGetTheirRankAndTornOnesAreJoined) {
  auto output = make(true, folder_.path());
  output->add(3, std::move(rank_out_.read), std::move(rank_err_.read));
  rank_out_.say("one\ntw");
  usleep(20'000);
  rank_out_.say("o\n\nlast");
  rank_err_.say("oops\n");
  rank_out_.write.reset();
  rank_err_.write.reset();
  EXPECT_TRUE(output->wait_for_ends(2000));
  EXPECT_EQ(folder_.read("out"), "[3] one\n[3] two\n[3] \n[3] last\n");
  EXPECT_EQ(folder_.read("err"), "[3] oops\n");
  EXPECT_EQ(folder_.read("rank-3.out"), "one\ntwo\n\nlast");
  EXPECT_EQ(output->stderr_tail(3), "oops\n");
}

TEST_F(RankOutputToFiles, TheTailIsTheLastLinesOfTheLastGeneration) {
  auto output = make(false);
  output->add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  for (int i = 0; i < 100; ++i) rank_err_.say("line " + std::to_string(i) + "\n");
  rank_out_.write.reset();
  rank_err_.write.reset();
  EXPECT_TRUE(output->wait_for_ends(2000));
  std::string tail = output->stderr_tail(0);
  EXPECT_TRUE(tail.starts_with("line 80\n")) << tail;
  EXPECT_TRUE(tail.ends_with("line 99\n")) << tail;
  Pipe next_out;
  Pipe next_err;
  output->add(0, std::move(next_out.read), std::move(next_err.read));
  EXPECT_EQ(output->stderr_tail(0), "");
}

TEST_F(RankOutputToFiles, AnEndlessLineIsNotKeptInMemory) {
  auto output = make(true);
  output->add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  for (int i = 0; i < 10; ++i) rank_out_.say(std::string(60'000, 'x'));
  EXPECT_FALSE(output->wait_for_ends(200));
  EXPECT_GT(folder_.read("out").size(), 500'000u);
}

TEST_F(RankOutputToFiles, StreamsThatSomebodyHoldsOpenCanBeGivenUp) {
  auto output = make(true);
  output->add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  output->drop_all();
  EXPECT_TRUE(output->wait_for_ends(2000));
}

}  // namespace
}  // namespace tessera::agent
