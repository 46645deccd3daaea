#include "launcher/agent/frames.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "core/error.h"

namespace tessera::agent {
namespace {

std::string number(uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return out;
}

std::string with_length(const std::string& body) {
  return number(static_cast<uint32_t>(body.size())) + body;
}

void expect_refused(const std::string& bytes) {
  FrameReader reader;
  reader.feed(bytes);
  EXPECT_THROW(reader.next(), Error);
  reader.feed(encode({FrameType::end, {}}));
  EXPECT_THROW(reader.next(), Error) << "a second time";
}

std::vector<Frame> samples() {
  return {{FrameType::end, {}},
          {FrameType::failed, {""}},
          {FrameType::fence, {"*#0", "0,1", std::string("\0\xff\n", 3)}},
          {FrameType::program, std::vector<std::string>(1000, "NAME=VALUE")},
          {FrameType::modex_data, {"1", "0", std::string(1 << 20, 'x')}}};
}

TEST(Frames, TheWireIsAsDocumented) {
  EXPECT_EQ(encode({FrameType::signal, {"15"}}),
            number(14) + number(6) + number(1) + number(2) + "15");
}

TEST(Frames, EveryTypeHasItsName) {
  EXPECT_EQ(name_of(FrameType::prepare), "prepare");
  EXPECT_EQ(name_of(FrameType::modex_request), "modex_request");
  EXPECT_EQ(name_of(FrameType::ready), "ready");
  EXPECT_EQ(name_of(FrameType::lease_expired), "lease_expired");
  EXPECT_EQ(name_of(FrameType::failed), "failed");
}

TEST(Frames, ComeBackFromOneFeed) {
  FrameReader reader;
  std::string bytes;
  for (const Frame& frame : samples()) bytes += encode(frame);
  reader.feed(bytes);
  for (const Frame& frame : samples()) {
    auto read = reader.next();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->type, frame.type);
    EXPECT_EQ(read->fields, frame.fields);
  }
  EXPECT_FALSE(reader.next());
}

TEST(Frames, ComeBackFromTornFeeds) {
  std::string bytes;
  for (const Frame& frame : samples()) bytes += encode(frame);
  for (size_t piece : {size_t{1}, size_t{3}, size_t{4096}, bytes.size() - 1}) {
    FrameReader reader;
    std::vector<Frame> read;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      reader.feed(std::string_view(bytes).substr(at, piece));
      while (auto frame = reader.next()) read.push_back(std::move(*frame));
    }
    ASSERT_EQ(read.size(), samples().size()) << piece;
    for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].fields, samples()[i].fields);
  }
}

TEST(Frames, LengthsOutsideTheLimitsAreRefusedAtOnce) {
  expect_refused(number(static_cast<uint32_t>(kMaxFrameBytes) + 1));
  expect_refused(number(0xffffffff));
  expect_refused(number(7) + std::string(7, 'x'));
  expect_refused(number(0));
}

TEST(Frames, AFrameAsLargeAsAllowedPassesAndALargerOneIsRefused) {
  std::string data(kMaxFrameBytes - 12, 'x');
  FrameReader reader;
  reader.feed(encode({FrameType::failed, {data}}));
  EXPECT_EQ(reader.next()->fields.at(0), data);
  EXPECT_THROW(encode({FrameType::failed, {data + "x"}}), Error);
}

TEST(Frames, GarbageIsRefused) {
  expect_refused(with_length(number(0) + number(0)));                              // no such type
  expect_refused(with_length(number(23) + number(0)));                             // no such type
  expect_refused(with_length(number(8) + number(0xffffffff)));                     // many fields
  expect_refused(with_length(number(8) + number(1)));                              // missing field
  expect_refused(with_length(number(8) + number(1) + number(5) + "abcd"));         // short field
  expect_refused(with_length(number(8) + number(1) + number(0xffffffff) + "ab"));  // long field
  expect_refused(with_length(number(8) + number(0) + "x"));  // more at the end
  expect_refused("GET / HTTP/1.1\r\n\r\n");
}

TEST(Frames, CrossASocketThatTakesLessThanAFrameAtOnce) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  Frame sent{FrameType::fence, {"*#0", "0", std::string(4 << 20, 'y')}};
  std::thread sender([&] { send_frame(ends[0], sent); });
  FrameReader reader;
  std::optional<Frame> received;
  while (!received) {
    char buffer[5000];
    ssize_t size = read(ends[1], buffer, sizeof buffer);
    ASSERT_GT(size, 0);
    reader.feed({buffer, static_cast<size_t>(size)});
    received = reader.next();
  }
  sender.join();
  EXPECT_EQ(received->fields, sent.fields);
  close(ends[1]);
  EXPECT_THROW(send_frame(ends[0], sent), Error) << "the peer is gone";
  close(ends[0]);
}

}  // namespace
}  // namespace tessera::agent
