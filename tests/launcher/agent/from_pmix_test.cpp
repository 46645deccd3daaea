#include "launcher/agent/from_pmix.h"

#include <gtest/gtest.h>

#include "launcher/agent/to_pmix.h"
#include "launcher/agent/typed_frames.h"
#include "tests/support/error_of.h"

namespace tessera::agent {
namespace {

using test::error_of;

const std::string kBytes("\0\xff,\n", 4);

// Of every type one or more.
std::vector<FromPmix> samples() {
  using namespace from_pmix;
  return {Ready{},
          Started{2, 4711},
          ExecFailed{0, "no such file"},
          Connected{5},
          Finalized{5},
          Aborted{1, -7, kBytes},
          Exited{1, false, 255},
          Exited{1, true, 9},
          Fence{"0,1#3", {0, 1}, kBytes},
          Fence{"*#0", {}, ""},
          LeaseExpired{},
          Ended{},
          Failed{kBytes},
          NotServed{3, "MPI_Comm_spawn"},
          ModexWanted{1, 0, 7},
          ModexFound{"id", 1, -46, kBytes}};
}

TEST(FromPmix, EveryOneComesBackFromItsFrame) {
  std::vector<bool> seen(std::variant_size_v<FromPmix>);
  for (const FromPmix& sample : samples()) {
    FrameReader reader;
    reader.feed(encode(frame_of(sample)));
    EXPECT_EQ(read_from_pmix(*reader.next()), sample) << sample.index();
    seen.at(sample.index()) = true;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0) << "a type without a sample";
}

TEST(FromPmix, TheFieldsAreAsDocumented) {
  using Fields = std::vector<std::string>;
  EXPECT_EQ(frame_of(samples()[1]).fields, (Fields{"2", "4711"}));
  EXPECT_EQ(frame_of(samples()[7]).fields, (Fields{"1", "signal", "9"}));
  EXPECT_EQ(frame_of(samples()[8]).fields, (Fields{"0,1#3", "0,1", kBytes}));
  EXPECT_EQ(frame_of(samples()[15]).fields, (Fields{"id", "1", "-46", kBytes}));
}

TEST(FromPmix, AnOrderIsNone) {
  EXPECT_EQ(error_of([] { read_from_pmix(frame_of(ToPmix(to_pmix::Start{}))); }),
            "[start] expected a report");
}

TEST(FromPmix, EveryFieldTooFewOrTooManyIsRefused) {
  for (const FromPmix& sample : samples()) {
    Frame frame = frame_of(sample);
    Frame more = frame;
    more.fields.emplace_back("0");
    EXPECT_NE(error_of([&] { read_from_pmix(more); }), "") << name_of(frame.type);
    for (size_t count = 0; count < frame.fields.size(); ++count) {
      Frame fewer{frame.type, {frame.fields.begin(), frame.fields.begin() + count}};
      EXPECT_NE(error_of([&] { read_from_pmix(fewer); }), "") << name_of(frame.type) << count;
    }
  }
}

TEST(FromPmix, ValuesThatCannotBeAreRefusedByName) {
  struct Case {
    Frame frame;
    std::string text;
  };
  for (const Case& each : {
           Case{{FrameType::started, {"0", "0"}}, "for pid, got '0'"},
           {{FrameType::started, {"x", "1"}}, "for local_index, got 'x'"},
           {{FrameType::exited, {"0", "gone", "0"}},
            "[exited] expected 'exit' or 'signal' for how"},
           {{FrameType::exited, {"0", "exit", "256"}}, "for value, got '256'"},
           {{FrameType::exited, {"0", "signal", "0"}}, "for value, got '0'"},
           {{FrameType::connected, {"-1"}}, "for rank, got '-1'"},
           {{FrameType::fence, {"k", "0,", ""}}, "for nodes, got ''"},
           {{FrameType::modex_request, {"0", "0", "1048576"}}, "for rank"},
       }) {
    std::string error = error_of([&] { read_from_pmix(each.frame); });
    EXPECT_TRUE(test::contains(error, each.text)) << error;
  }
}

}  // namespace
}  // namespace tessera::agent
