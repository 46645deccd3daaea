#include "launcher/agent/to_pmix.h"

#include <gtest/gtest.h>

#include "launcher/agent/from_pmix.h"
#include "launcher/agent/typed_frames.h"
#include "tests/support/error_of.h"

namespace tessera::agent {
namespace {

using test::error_of;

const std::string kBytes("\0\xff,\n", 4);

// Of every type one or more.
std::vector<ToPmix> samples() {
  using namespace to_pmix;
  return {Prepare{"x.1", {"a", "b"}, {{0, 1}, {2}}, 3, 2, 1},
          Prepare{"x.1", {"a"}, {{0}}, 1, 0, 0},
          Program{"/tmp", {"a.out", "", "-x=1"}, {"A=1", "B="}},
          Program{"", {"a.out"}, {}},
          Rank{3, {0, 8191}, {"RANK=3"}},
          Rank{0, {}, {}},
          Start{},
          FenceDone{"*#0", -61, kBytes},
          Signal{15},
          Lease{123456789012345},
          End{},
          LookUp{"7", 1, 2},
          ModexDone{7, -46, ""}};
}

TEST(ToPmix, EveryOneComesBackFromItsFrame) {
  std::vector<bool> seen(std::variant_size_v<ToPmix>);
  for (const ToPmix& sample : samples()) {
    FrameReader reader;
    reader.feed(encode(frame_of(sample)));
    EXPECT_EQ(read_to_pmix(*reader.next()), sample) << sample.index();
    seen.at(sample.index()) = true;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0) << "a type without a sample";
}

TEST(ToPmix, TheFieldsAreAsDocumented) {
  using Fields = std::vector<std::string>;
  EXPECT_EQ(frame_of(samples()[0]).fields, (Fields{"x.1", "a,b", "0,1;2", "3", "2", "1"}));
  EXPECT_EQ(frame_of(samples()[2]).fields, (Fields{"/tmp", "3", "a.out", "", "-x=1", "A=1", "B="}));
  EXPECT_EQ(frame_of(samples()[4]).fields, (Fields{"3", "0,8191", "RANK=3"}));
  EXPECT_EQ(frame_of(samples()[8]).fields, Fields{"15"});
}

TEST(ToPmix, AReportIsNone) {
  EXPECT_EQ(error_of([] { read_to_pmix(frame_of(FromPmix(from_pmix::Ready{}))); }),
            "[ready] expected an order");
  EXPECT_EQ(error_of([] {
              read_to_pmix({FrameType::exited, {"0", "exit", "0"}});
            }),
            "[exited] expected an order");
}

TEST(ToPmix, EveryFieldTooFewOrTooManyIsRefused) {
  for (const ToPmix& sample : samples()) {
    Frame frame = frame_of(sample);
    bool open_end = frame.type == FrameType::program || frame.type == FrameType::rank;
    Frame more = frame;
    more.fields.emplace_back(open_end ? "novalue" : "0");
    EXPECT_NE(error_of([&] { read_to_pmix(more); }), "") << name_of(frame.type);
    size_t least = frame.type == FrameType::program ? 3 : open_end ? 2 : frame.fields.size();
    for (size_t count = 0; count < least; ++count) {
      Frame fewer{frame.type, {frame.fields.begin(), frame.fields.begin() + count}};
      EXPECT_NE(error_of([&] { read_to_pmix(fewer); }), "") << name_of(frame.type) << count;
    }
  }
}

TEST(ToPmix, ValuesThatCannotBeAreRefusedByName) {
  struct Case {
    Frame frame;
    std::string text;
  };
  for (const Case& each : {
           Case{{FrameType::signal, {"0"}}, "[signal] expected a number from 1 to 64 for number"},
           {{FrameType::signal, {"nine"}}, "got 'nine'"},
           {{FrameType::lease, {"-1"}}, "for deadline"},
           {{FrameType::prepare, {"x", "a", "", "1", "0", "0"}}, "for ranks, got ''"},
           {{FrameType::prepare, {"x", "a", "0;", "1", "0", "0"}}, "for ranks, got ''"},
           {{FrameType::prepare, {"x", "a", "0", "0", "0", "0"}}, "for world_size"},
           {{FrameType::prepare, {"x", "a", "0", "1", "0", "-1"}}, "for node_index"},
           {{FrameType::program, {"/", "0"}}, "for argc"},
           {{FrameType::program, {"/", "9", "a"}}, "[program] expected 9 fields for arguments"},
           {{FrameType::program, {"/", "1", std::string("a\0", 2)}}, "got a zero byte"},
           {{FrameType::rank, {"0", "8192"}}, "for cpus"},
           {{FrameType::fence_done, {"k", "4294967296", ""}}, "for status"},
           {{FrameType::modex_data, {"x", "0", ""}}, "for id"},
       }) {
    std::string error = error_of([&] { read_to_pmix(each.frame); });
    EXPECT_TRUE(test::contains(error, each.text)) << error;
  }
}

}  // namespace
}  // namespace tessera::agent
