// Ranks that die, fail alone, or differ: the job ends soon, says which rank it was, and leaves no
// process.
#include <csignal>
#include <filesystem>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

using std::chrono::seconds;

class DeadRank : public testing::TestWithParam<int> {
 protected:
  Words train(const Words& more) const {
    return Words{"train", kQuickstart, "run.dir=" + (folder_ / "run")} + kTinyModel + more;
  }
  size_t steps_done() const {
    if (!std::filesystem::exists(folder_ / "run/metrics.jsonl")) return 0;
    return lines_of(folder_.read("run/metrics.jsonl")).size();
  }

  TempDir folder_;
};

TEST_P(DeadRank, EndsTheJobThatNamesIt) {
  std::string rank = std::to_string(GetParam());
  Process job(mpirun(2, train({"run.steps=100000000"})));
  ASSERT_TRUE(eventually(seconds(30), [&] { return steps_done() >= 3; }));
  std::vector<pid_t> found = job.members("OMPI_COMM_WORLD_RANK=" + rank);
  ASSERT_EQ(found.size(), 1U);
  auto killed = std::chrono::steady_clock::now();
  ASSERT_EQ(kill(found[0], SIGKILL), 0);
  Outcome outcome = job.wait();
  EXPECT_LT(std::chrono::steady_clock::now() - killed, seconds(20));
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_TRUE(contains(outcome.err, "rank " + rank)) << describe(outcome);
  EXPECT_LE(errors_of(outcome).size(), 1U) << describe(outcome);
  EXPECT_EQ(outcome.num_left, 0U);
}

INSTANTIATE_TEST_SUITE_P(Ranks, DeadRank, testing::Values(0, 1),
                         [](const auto& instance) { return std::to_string(instance.param); });

class DifferentRanks : public DeadRank {};

TEST_F(DifferentRanks, DataThatOneRankLacksAreNamedOnce) {
  Outcome outcome = run(mpirun_each(
      {Words{TESSERA_BINARY} + train({}), Words{TESSERA_BINARY} + train({"data.path=/no/text"})}));
  EXPECT_TRUE(failed(outcome, 1, {"/no/text: No such file"}));
  EXPECT_LT(outcome.seconds, 20);
  EXPECT_EQ(folder_.names(), std::set<std::string>());
}

TEST_F(DifferentRanks, ConfigsThatDifferAreRefused) {
  Outcome outcome = run(mpirun_each({Words{TESSERA_BINARY} + train({"run.seed=1"}),
                                     Words{TESSERA_BINARY} + train({"run.seed=2"})}));
  EXPECT_TRUE(failed(outcome, 1, {"the config", "rank 0 has seed: 1", "rank 1 has seed: 2"}));
  EXPECT_LT(outcome.seconds, 20);
  EXPECT_EQ(folder_.names(), std::set<std::string>());
}

}  // namespace
}  // namespace tessera::test
