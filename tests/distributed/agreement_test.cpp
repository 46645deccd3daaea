#include "distributed/agreement.h"

#include <gtest/gtest.h>

#include "tests/support/error_of.h"
#include "tests/support/ranks.h"
#include "tests/support/spy_communicator.h"

namespace tessera {
namespace {

using test::error_of;
using test::run_ranks;
using Values = std::vector<std::pair<std::string, std::string>>;

// The one message that all ranks get when each passes values(rank).
std::string disagreement(int world, const std::function<Values(int)>& values) {
  std::vector<std::string> errors(static_cast<size_t>(world));
  run_ranks(world, [&](Communicator& comm) {
    errors[static_cast<size_t>(comm.rank())] =
        error_of([&] { require_agreement(comm, values(comm.rank())); });
    // The communicator is as good as before.
    comm.barrier().wait();
  });
  for (const std::string& error : errors) EXPECT_EQ(error, errors[0]);
  return errors[0];
}

TEST(GatherTexts, GivesEveryRankAll) {
  // Nothing, one byte, zeros, UTF-8, what is not UTF-8, and much.
  std::vector<std::string> texts{
      "",         "x",       std::string(3, '\0'),    "Größe 日本語 🙂",
      "\xff\xfe", "a\nb\r ", std::string(100000, 'y')};
  for (int world = 1; world <= 7; ++world) {
    run_ranks(world, [&](Communicator& comm) {
      for (size_t shift = 0; shift < texts.size(); ++shift) {
        auto text_of = [&](int rank) {
          return texts[(static_cast<size_t>(rank) + shift) % texts.size()];
        };
        std::vector<std::string> all = gather_texts(comm, text_of(comm.rank()));
        ASSERT_EQ(all.size(), static_cast<size_t>(world));
        for (int rank = 0; rank < world; ++rank) {
          EXPECT_EQ(all[static_cast<size_t>(rank)], text_of(rank));
        }
      }
    });
  }
}

TEST(GatherTexts, MayAllBeEmpty) {
  run_ranks(3, [](Communicator& comm) {
    EXPECT_EQ(gather_texts(comm, ""), std::vector<std::string>(3));
  });
}

// The host reads what arrives: ordering a stream is not enough.
TEST(GatherTexts, BlocksTheHost) {
  run_ranks(2, [](Communicator& comm) {
    test::SpyCommunicator spy(comm);
    gather_texts(spy, "x");
    EXPECT_EQ(spy.count("all_gather"), 2);
    EXPECT_TRUE(spy.all_joined());
  });
}

TEST(RequireAgreement, LetsEqualValuesPass) {
  for (int world : {1, 2, 5}) {
    EXPECT_EQ(disagreement(world,
                           [](int) {
                             return Values{{"the build", "abc"}, {"a", ""}, {"größe", "ü\n日本"}};
                           }),
              "");
    EXPECT_EQ(disagreement(world, [](int) { return Values{}; }), "");
  }
}

TEST(RequireAgreement, NamesTheFirstThatDiffersAndWho) {
  EXPECT_EQ(disagreement(4,
                         [](int rank) {
                           return Values{{"the build", "abc"},
                                         {"the seed", rank >= 2 ? "12" : "1"},
                                         {"the config", rank == 1 ? "x" : "y"}};
                         }),
            "ranks disagree about the seed: rank 0 has 1, rank 2 has 12");
}

TEST(RequireAgreement, ShowsTheLineThatDiffers) {
  auto config = [](const std::string& seed) {
    return "run:\n  steps: 3\n  seed: " + seed + "\nx: 1";
  };
  EXPECT_EQ(disagreement(2,
                         [&](int rank) {
                           return Values{{"it", config(rank ? "日本" : "日")}};
                         }),
            "ranks disagree about it: rank 0 has seed: 日, rank 1 has seed: 日本");
  // One ends earlier.
  EXPECT_EQ(disagreement(2,
                         [&](int rank) {
                           return Values{{"it", rank ? "a: 1\nb: 2" : "a: 1"}};
                         }),
            "ranks disagree about it: rank 0 has nothing, rank 1 has b: 2");
  EXPECT_EQ(disagreement(2,
                         [&](int rank) {
                           return Values{{"it", rank ? "" : "a"}};
                         }),
            "ranks disagree about it: rank 0 has a, rank 1 has nothing");
  // A line of spaces only.
  EXPECT_NE(disagreement(2, [&](int rank) { return Values{{"it", rank ? " " : "  "}}; }), "");
}

TEST(RequireAgreement, NoticesOtherNames) {
  EXPECT_EQ(disagreement(2,
                         [](int rank) {
                           return Values{{rank ? "a" : "b", "1"}};
                         }),
            "ranks disagree about what to compare: rank 0 has b, rank 1 has a");
  EXPECT_EQ(disagreement(2,
                         [](int rank) {
                           return rank ? Values{{"a", "1"}} : Values{{"a", "1"}, {"b", "2"}};
                         }),
            "ranks disagree about what to compare: rank 0 has 2 values, rank 1 has 1 values");
}

TEST(RequireAgreement, ThrowsWhatEveryRankKnows) {
  run_ranks(2, [](Communicator& comm) {
    EXPECT_THROW(require_agreement(comm, {{"rank", std::to_string(comm.rank())}}), SharedError);
  });
}

}  // namespace
}  // namespace tessera
