#include "launcher/agent/user_messages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace tessera::agent {
namespace {

class UserMessagesTo : public testing::Test {
 protected:
  UserMessagesTo() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    read_ = Descriptor(ends[0]);
    write_ = Descriptor(ends[1]);
    output_.emplace(RankOutput::Options{.folder = "", .out = write_.get(), .err = write_.get()});
  }
  UserMessages messages(bool tells_ends) { return {*output_, "here", tells_ends}; }
  // All that was said.
  std::string said() {
    output_->wait_for_ends(5000);
    output_.reset();
    write_ = Descriptor();
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t size; (size = read(read_.get(), buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<size_t>(size));
    }
    return text;
  }
  static v1::Order order(v1::Order::Kind kind, int64_t generation, const std::string& reason) {
    v1::Order order;
    order.set_kind(kind);
    order.set_generation(generation);
    order.set_reason(reason);
    return order;
  }
  static v1::Order finish(const std::string& host) {
    v1::Order order;
    order.set_kind(v1::Order::KIND_FINISH);
    order.set_exit_code(3);
    order.mutable_failure()->set_text("rank 1 failed");
    order.mutable_failure()->set_host(host);
    order.mutable_failure()->set_stderr_tail("one\ntwo\n");
    return order;
  }

  Descriptor read_;
  Descriptor write_;
  std::optional<RankOutput> output_;
};

TEST_F(UserMessagesTo, EachReasonIsToldOnce) {
  UserMessages messages = this->messages(true);
  for (int i = 0; i < 3; ++i) {
    messages.tell(order(v1::Order::KIND_END, 2, "a node has joined"));
  }
  for (int i = 0; i < 3; ++i) messages.tell(order(v1::Order::KIND_WAIT, 2, "1 of 2 nodes"));
  EXPECT_EQ(said(),
            "tessera launch: generation 2 ends: a node has joined\n"
            "tessera launch: 1 of 2 nodes\n");
}

TEST_F(UserMessagesTo, WhatTheEndOfTheJobSaysIsNotSaidBefore) {
  UserMessages messages = this->messages(false);
  messages.tell(order(v1::Order::KIND_END, 1, "rank 1 failed"));
  messages.tell(order(v1::Order::KIND_WAIT, 0, "0 of 2 nodes are there"));
  messages.tell(order(v1::Order::KIND_FINISH, 1, "over"));
  EXPECT_EQ(said(), "");
}

TEST_F(UserMessagesTo, ThatAllHaveEndedIsNoNews) {
  UserMessages messages = this->messages(true);
  messages.tell(order(v1::Order::KIND_END, 1, "all ranks have ended"));
  EXPECT_EQ(said(), "");
}

TEST_F(UserMessagesTo, AFailureOfAnotherNodeComesWithItsLastLines) {
  UserMessages messages = this->messages(true);
  messages.tell_end(finish("there"));
  EXPECT_EQ(said(), "tessera: rank 1 failed\nThe end of its standard error:\n  one\n  two\n");
}

TEST_F(UserMessagesTo, OneOfThisNodeWithoutThem) {
  UserMessages messages = this->messages(true);
  messages.tell_end(finish("here"));
  EXPECT_EQ(said(), "tessera: rank 1 failed\n");
}

TEST_F(UserMessagesTo, AnEndWithoutAFailureIsToldUnlessAllIsWell) {
  UserMessages messages = this->messages(true);
  v1::Order end = order(v1::Order::KIND_FINISH, 1, "stopped: maintenance");
  messages.tell_end(end);
  end.set_exit_code(75);
  messages.tell_end(end);
  EXPECT_EQ(said(), "tessera launch: stopped: maintenance\n");
}

}  // namespace
}  // namespace tessera::agent
