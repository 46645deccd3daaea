// Models and optimizers that a user brings along, under the command.
#include <filesystem>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

class OwnModel : public testing::Test {
 protected:
  Words config(const std::string& name, const Words& more = {}) const {
    return Words{config_,
                 "run.dir=" + (folder_ / name),
                 "run.steps=3",
                 "data.leaves=2",
                 "run.eval_batches=1",
                 "compute.threads=1",
                 "schedule.warmup=0"} +
           more;
  }
  static Command own(Command command) {
    for (std::string& word : command.argv) {
      if (word == TESSERA_BINARY) word = TESSERA_OWN_MODELS;
    }
    return command;
  }
  static Outcome run_own(const Words& words) { return run(own(tessera(words))); }

  TempDir folder_;
  std::string config_ =
      folder_.write("own.yaml", "model: {name: own}\ndata: {name: idx, path: " + kSourceDir +
                                    "/data/fashion-mnist, micro_batch: 8, leaves: 2}\n");
};

TEST_F(OwnModel, ComputesInTheDtypeThatTheConfigNames) {
  for (const char* dtype : {"f32", "bf16"}) {
    Words set{std::string("compute.dtype=") + dtype};
    Outcome alone = run_own(Words{"train"} + config(std::string(dtype) + "1", set));
    ASSERT_TRUE(succeeded(alone)) << dtype;
    Outcome two = run(own(mpirun(2, Words{"train"} + config(std::string(dtype) + "2", set))));
    ASSERT_TRUE(succeeded(two)) << dtype;
    EXPECT_EQ(printed(alone, "digest"), printed(two, "digest"));
    EXPECT_TRUE(succeeded(run_own(Words{"plan", "--ranks", "2"} + config("none", set)))) << dtype;
  }
}

TEST_F(OwnModel, MayHaveFrozenParameters) {
  Words set{"model.frozen=true", "optim.ema=0.9"};
  Outcome first = run_own(Words{"train"} + config("run", set + Words{"run.stop_after=1"}));
  EXPECT_EQ(first.exit_code, 75) << describe(first);
  Words more = set + Words{"run.resume=auto", "parallel.strategy=zero3"};
  ASSERT_TRUE(succeeded(run(own(mpirun(2, Words{"train"} + config("run", more))))));
  Outcome listed = run(tessera({"inspect", folder_ / "run"}));
  EXPECT_TRUE(contains(listed.out, "first.bias"));
  EXPECT_FALSE(contains(listed.out, "exp_avg/first.bias") == true);
  EXPECT_TRUE(succeeded(run_own({"convert", folder_ / "run", folder_ / "ema.npz", "--ema"})));
  EXPECT_TRUE(succeeded(run_own(Words{"plan", "--ranks", "2"} + config("none", set))));
}

TEST_F(OwnModel, MayHaveAnOptimizerThatReadsNumbers) {
  Words set{"optim.name=reading"};
  ASSERT_TRUE(succeeded(run_own(Words{"train"} + config("run", set))));
  Outcome plan = run_own(Words{"plan", "--ranks", "2"} + config("none", set));
  ASSERT_TRUE(succeeded(plan));
  EXPECT_FALSE(contains(plan.out, "without what the optimizer's update takes") == true);
}

TEST_F(OwnModel, ThatStartsOtherwiseOnEachRankIsRefusedOrMadeAlike) {
  Words set{"model.random=true"};
  EXPECT_TRUE(failed(run(own(mpirun(2, Words{"train"} + config("run", set)))), 1,
                     {"ranks start from different values: rank 0 has: parameter 'first.weight'",
                      "parallel.start: broadcast"}));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
  for (const char* strategy : {"ddp", "zero3"}) {
    Words alike =
        set + Words{"parallel.start=broadcast", std::string("parallel.strategy=") + strategy};
    EXPECT_TRUE(succeeded(run(own(mpirun(2, Words{"train"} + config(strategy, alike))))))
        << strategy;
  }
}

}  // namespace
}  // namespace tessera::test
