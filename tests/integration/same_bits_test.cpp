// A run gives the same weights, bit for bit, whatever it runs on: threads, processes, or both.
#include <cstdlib>
#include <filesystem>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

using std::chrono::seconds;

class SameBits : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(kSourceDir + "/data/kjv.txt"))
        << "data/kjv.txt is missing; scripts/prepare_data makes it";
  }

  // The digest that the command prints, in a folder of its own; "" when it fails.
  std::string digest_of(Command command) {
    std::string name = std::to_string(++num_runs_);
    command.argv.push_back("run.dir=" + (folder_ / name));
    command.timeout = seconds(300);
    Outcome outcome = run(command);
    EXPECT_TRUE(succeeded(outcome));
    std::string digest = printed(outcome, "digest");
    EXPECT_EQ(digest.size(), 64U) << digest;
    return digest;
  }

  // What `tessera inspect --digest` makes of the last run's checkpoint.
  std::string digest_of_checkpoint() {
    Outcome outcome = run(tessera({"inspect", "--digest", folder_ / std::to_string(num_runs_)}));
    EXPECT_TRUE(succeeded(outcome));
    return outcome.out;
  }

 private:
  TempDir folder_;
  int num_runs_ = 0;
};

Words quickstart(int steps, const Words& more = {}) {
  return Words{kQuickstart, "run.steps=" + std::to_string(steps), "run.eval_batches=1",
               "data.leaves=8"} +
         more;
}

Words threads(int count) { return {"compute.threads=" + std::to_string(count)}; }

Words debug(int ranks) { return {"debug", "-n", std::to_string(ranks)}; }

TEST_F(SameBits, QuickstartForAnyThreadsAndRanks) {
  constexpr int kSteps = 20;
  const Words train{"train"};
  std::string expected = digest_of(tessera(train + quickstart(kSteps, threads(1))));
  EXPECT_EQ(digest_of_checkpoint(), expected + "\n");
  for (int count : {2, 3, 8, 16}) {
    EXPECT_EQ(digest_of(tessera(train + quickstart(kSteps, threads(count)))), expected)
        << count << " threads";
  }
  for (int ranks : {2, 4}) {
    EXPECT_EQ(digest_of(mpirun(ranks, train + quickstart(kSteps))), expected)
        << ranks << " processes";
  }
  for (int ranks : {1, 3, 8}) {
    EXPECT_EQ(digest_of(tessera(debug(ranks) + quickstart(kSteps))), expected)
        << ranks << " ranks in one process";
  }
}

TEST_F(SameBits, QuickstartForAnyStrategy) {
  constexpr int kSteps = 5;
  std::string expected = digest_of(tessera(Words{"train"} + quickstart(kSteps)));
  for (const char* strategy : {"ddp", "zero1", "zero2", "zero3", "hybrid"}) {
    Words options = quickstart(kSteps, {std::string("parallel.strategy=") + strategy});
    if (strategy == std::string("hybrid")) options.emplace_back("parallel.group=2");
    for (int ranks : {2, 3}) {
      if (ranks == 3 && options.back() == "parallel.group=2") options.pop_back();
      EXPECT_EQ(digest_of(mpirun(ranks, Words{"train"} + options)), expected)
          << strategy << " on " << ranks << " processes";
    }
    EXPECT_EQ(digest_of(tessera(debug(4) + options)), expected)
        << strategy << " on 4 ranks in one process";
  }
}

// Sixty-four processes on one machine take minutes: under --long.
TEST_F(SameBits, SixtyFourProcessesForAnyStrategy) {
  if (!std::getenv("TESSERA_TEST_WHOLE_PRODUCT")) GTEST_SKIP() << "runs under scripts/test --long";
  Words options{kQuickstart, "run.steps=1", "run.eval_batches=1", "data.leaves=64",
                "data.micro_batch=1"};
  std::string expected = digest_of(tessera(Words{"train"} + options));
  for (const char* strategy : {"ddp", "zero1", "zero2", "zero3", "hybrid"}) {
    Words more{std::string("parallel.strategy=") + strategy};
    if (strategy == std::string("hybrid")) more.emplace_back("parallel.group=8");
    EXPECT_EQ(digest_of(mpirun(64, Words{"train"} + options + more)), expected) << strategy;
  }
}

TEST_F(SameBits, QuickstartInBf16ForAnyStrategy) {
  const Words narrow{"compute.dtype=bf16"};
  std::string expected = digest_of(tessera(Words{"train"} + quickstart(3, narrow)));
  EXPECT_EQ(digest_of_checkpoint(), expected + "\n");
  EXPECT_NE(digest_of(tessera(Words{"train"} + quickstart(3))), expected);
  Words options = quickstart(3, narrow + Words{"compute.recompute=blocks"});
  EXPECT_EQ(digest_of(mpirun(3, Words{"train"} + options + Words{"parallel.strategy=zero3"})),
            expected);
  EXPECT_EQ(digest_of(tessera(debug(2) + options + Words{"parallel.strategy=zero1"})), expected);
}

TEST_F(SameBits, GptCharForAnyThreads) {
  auto digest_with = [this](int count) {
    return digest_of(tessera(
        Words{"train", kSourceDir + "/configs/gpt_char.yaml", "run.steps=4", "run.eval_batches=1"} +
        threads(count)));
  };
  std::string expected = digest_with(1);
  for (int count : {2, 8}) EXPECT_EQ(digest_with(count), expected) << count << " threads";
}

// The other tests mean nothing if the order of sums does not show in the digest.
TEST_F(SameBits, SumsInRankOrderGiveOtherBits) {
  constexpr int kSteps = 3;
  auto digest_with = [this](int ranks, const std::string& reduction) {
    return digest_of(
        tessera(debug(ranks) + quickstart(kSteps, {"parallel.reduction=" + reduction})));
  };
  std::string exact = digest_with(1, "exact");
  EXPECT_EQ(digest_with(3, "exact"), exact);
  std::string fast = digest_with(3, "fast");
  EXPECT_NE(fast, exact);
  EXPECT_NE(fast, digest_with(1, "fast"));
}

}  // namespace
}  // namespace tessera::test
