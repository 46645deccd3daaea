#include "launcher/agent/rank_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

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
  EXPECT_EQ(folder_.read("out"), "[3] one\n[3] two\n[3] \n[3] last");
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

TEST_F(RankOutputToFiles, LongLinesStayWhole) {
  auto output = make(true, folder_.path());
  Pipe other_out;
  Pipe other_err;
  output->add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  output->add(1, std::move(other_out.read), std::move(other_err.read));
  std::string a(300'000, 'a');
  std::string b(200'000, 'b');
  std::thread first([&] { rank_out_.say(a + "\n"), rank_out_.write.reset(); });
  std::thread second([&] { other_out.say(b + "\n"), other_out.write.reset(); });
  first.join();
  second.join();
  rank_err_.write.reset();
  other_err.write.reset();
  EXPECT_TRUE(output->wait_for_ends(5000));
  std::string one = "[0] " + a + "\n";
  std::string two = "[1] " + b + "\n";
  std::string out = folder_.read("out");
  EXPECT_TRUE(out == one + two || out == two + one) << out.size();
  EXPECT_EQ(folder_.read("rank-0.out"), a + "\n");
}

TEST_F(RankOutputToFiles, WithoutRanksInFrontBytesArriveAsTheyCame) {
  auto output = make(false);
  output->add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  std::string bytes = std::string(200'000, 'x') + "\r10%\r20%";
  bytes[1000] = '\0';
  rank_out_.say(bytes);
  rank_err_.say("no end");
  usleep(100'000);
  EXPECT_EQ(folder_.read("err"), "no end") << "before the line has its end";
  rank_err_.say(" yet");
  rank_out_.write.reset();
  rank_err_.write.reset();
  EXPECT_TRUE(output->wait_for_ends(5000));
  EXPECT_EQ(folder_.read("out"), bytes);
  EXPECT_EQ(output->stderr_tail(0), "no end yet\n");
}

TEST_F(RankOutputToFiles, ALineWithoutAnEndIsNotGluedToAnothers) {
  auto output = make(true);
  Pipe other_out;
  Pipe other_err;
  output->add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  output->add(1, std::move(other_out.read), std::move(other_err.read));
  rank_err_.say("half");
  rank_out_.write.reset();
  rank_err_.write.reset();
  usleep(100'000);
  other_err.say("other\nhalf again");
  other_out.write.reset();
  other_err.write.reset();
  EXPECT_TRUE(output->wait_for_ends(2000));
  output->say("the agent's");
  EXPECT_TRUE(output->wait_for_ends(2000));
  EXPECT_EQ(folder_.read("err"), "[0] half\n[1] other\n[1] half again\nthe agent's\n");
}

TEST_F(RankOutputToFiles, AReaderWhoDoesNotReadCannotHoldUpAnAgentInAHurry) {
  Pipe stuck;
  auto output = std::make_unique<RankOutput>(RankOutput::Options{
      .prefixed = false, .folder = folder_.path(), .out = stuck.write.get(), .err = err_.get()});
  output->add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  std::string bytes(500'000, 'x');
  std::thread writer([&] { rank_out_.say(bytes), rank_out_.write.reset(); });
  rank_err_.write.reset();
  EXPECT_FALSE(output->wait_for_ends(300));
  EXPECT_TRUE(output->waits_for_reader());
  output->hurry();
  EXPECT_TRUE(output->wait_for_ends(3000));
  writer.join();
  EXPECT_NE(output->trouble().find("standard output"), std::string::npos);
  EXPECT_EQ(folder_.read("rank-0.out"), bytes) << "the file has it";
  auto before = std::chrono::steady_clock::now();
  output.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
}

TEST_F(RankOutputToFiles, WhatCouldNotBeWrittenIsKnown) {
  Descriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  RankOutput output({.prefixed = true, .folder = "", .out = full.get(), .err = err_.get()});
  output.add(0, std::move(rank_out_.read), std::move(rank_err_.read));
  rank_out_.say("lost\n");
  rank_out_.write.reset();
  rank_err_.write.reset();
  EXPECT_TRUE(output.wait_for_ends(2000));
  EXPECT_EQ(output.trouble(), "standard output: No space left on device");
}

}  // namespace
}  // namespace tessera::agent
