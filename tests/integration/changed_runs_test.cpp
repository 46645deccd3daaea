// Runs whose folder, data or settings are not what they were, or not what other ranks see.
#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

constexpr int kStopped = 75;
const Words kRun = Words{"train", kQuickstart} + kTinyModel +
                   Words{"data.leaves=4", "run.steps=12", "compute.threads=1"};

class ChangedRuns : public testing::Test {
 protected:
  ChangedRuns() {
    std::string text;
    for (int i = 0; text.size() < 20000; ++i) text += fmt::format("line {} of it\n", i * 7);
    folder_.write("text", text);
  }
  Words in(const std::string& name) const {
    return {"run.dir=" + (folder_ / name), "data.path=" + (folder_ / "text")};
  }
  Words resume(const std::string& name) const { return in(name) + Words{"run.resume=auto"}; }
  std::string checkpoint(const std::string& name, int step) const {
    return folder_ / (name + fmt::format("/checkpoints/step-{:08}", step));
  }
  void stopped_after(int step, const Words& more = {}) {
    Outcome outcome =
        run(tessera(kRun + in("run") + Words{fmt::format("run.stop_after={}", step)} + more));
    ASSERT_EQ(outcome.exit_code, kStopped) << describe(outcome);
  }
  // The first half of it, or another text of its size.
  void change_text(bool cut) {
    std::string text = folder_.read("text");
    if (cut) text.resize(text.size() / 2);
    else text[100] = '!';
    folder_.write("text", text);
  }
  size_t num_records(const std::string& name) const {
    std::ifstream file(folder_ / (name + "/metrics.jsonl"));
    size_t count = 0;
    for (std::string line; std::getline(file, line);) ++count;
    return count;
  }

  TempDir folder_;
};

TEST_F(ChangedRuns, OtherDataAreRefusedUntilAccepted) {
  for (bool cut : {true, false}) {
    fs::remove_all(folder_ / "run");
    stopped_after(5);
    change_text(cut);
    Words expected{checkpoint("run", 5), "the data: training: ", "run.accept_changes=true"};
    EXPECT_TRUE(failed(run(tessera(kRun + resume("run"))), 1, expected));
    EXPECT_TRUE(failed(run(mpirun(2, kRun + resume("run"))), 1, expected));
    EXPECT_TRUE(failed(run(tessera(kRun + in("branch") + Words{"run.resume=" + (folder_ / "run")})),
                       1, expected));
    EXPECT_FALSE(fs::exists(folder_ / "branch"));
    Outcome accepted =
        run(tessera(kRun + resume("run") + Words{"run.accept_changes=true", "run.stop_after=7"}));
    EXPECT_EQ(accepted.exit_code, kStopped) << describe(accepted);
    EXPECT_TRUE(contains(accepted.out, "since that checkpoint, the data: training: "));
    // From here on these are the run's data.
    EXPECT_TRUE(succeeded(run(tessera(kRun + resume("run")))));
  }
}

TEST_F(ChangedRuns, TheSameDataElsewhereAreTheSame) {
  stopped_after(5);
  fs::copy_file(folder_ / "text", folder_ / "copy");
  Outcome outcome = run(tessera(kRun + resume("run") + Words{"data.path=" + (folder_ / "copy")}));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_TRUE(contains(outcome.out, "since that checkpoint, data.path: "));
}

TEST_F(ChangedRuns, RanksThatSeeOtherDataDoNotTrain) {
  fs::create_directory(folder_ / "a");
  fs::create_directory(folder_ / "b");
  fs::copy_file(folder_ / "text", folder_ / "a/text");
  change_text(/*cut=*/false);
  fs::copy_file(folder_ / "text", folder_ / "b/text");
  // Each rank in a folder of its own, where the same name stands for another file.
  auto train_in = [&](const std::string& place) {
    return Words{"env", "-C", folder_ / place, TESSERA_BINARY} + kRun + in("run") +
           Words{"data.path=text"};
  };
  EXPECT_TRUE(failed(run(mpirun_each({train_in("a"), train_in("b")})), 1,
                     {"ranks disagree about the data: rank 0 has training: ", "rank 1 has"}));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(ChangedRuns, EveryChangeIsSaid) {
  stopped_after(8, {"run.steps=9", "schedule.warmup=2"});
  Outcome outcome = run(tessera(
      kRun + resume("run") + Words{"run.steps=30", "schedule.warmup=2", "optim.weight_decay=0.2"}));
  ASSERT_TRUE(succeeded(outcome));
  for (const char* expected :
       {"since that checkpoint, run.steps: 9 -> 30 (the run ends at another step)",
        "since that checkpoint, optim.weight_decay: 0.1 -> 0.2 (from the next step on)",
        "since that checkpoint, the learning rate of step 9: "}) {
    EXPECT_TRUE(contains(outcome.out, expected));
  }
}

TEST_F(ChangedRuns, ARunThatIsBeyondItsEndIsRefused) {
  stopped_after(8);
  EXPECT_TRUE(failed(run(tessera(kRun + resume("run") + Words{"run.steps=4"})), 1,
                     {checkpoint("run", 8), "it is of step 8, and run.steps is 4"}));
  EXPECT_EQ(num_records("run"), 9U);  // and the one that says that it stopped
}

TEST_F(ChangedRuns, AnotherModelOfTheSameShapesIsRefused) {
  stopped_after(5);
  EXPECT_TRUE(failed(run(tessera(kRun + resume("run") + Words{"model.heads=2"})), 1,
                     {"model.heads: 1 -> 2", "run.accept_changes=true"}));
  Outcome accepted =
      run(tessera(kRun + resume("run") + Words{"model.heads=2", "run.accept_changes=true"}));
  EXPECT_TRUE(succeeded(accepted));
}

// The command is given again as it was.
TEST_F(ChangedRuns, AStopThatIsBehindTheRunStopsItAgain) {
  stopped_after(5);
  Outcome again = run(tessera(kRun + resume("run") + Words{"run.stop_after=5"}));
  EXPECT_EQ(again.exit_code, kStopped) << describe(again);
  EXPECT_TRUE(contains(again.out, "stopped by run.stop_after 5 after step 5 of 12"));
  EXPECT_TRUE(succeeded(run(tessera(kRun + resume("run")))));
}

TEST_F(ChangedRuns, AStopAtAnEvaluatedStepKeepsItsLoss) {
  stopped_after(4, {"run.eval_every=2", "checkpoint.best=true", "checkpoint.keep=1"});
  EXPECT_TRUE(
      contains(folder_.read("run/checkpoints/step-00000004/manifest.json"), "\"valid_loss\": "));
  EXPECT_FALSE(contains(folder_.read("run/checkpoints/step-00000004/manifest.json"),
                        "\"valid_loss\": null") == true);
  EXPECT_EQ(folder_.read("run/checkpoints/best"), "step-00000004\n");
}

TEST_F(ChangedRuns, TheBestMayBeThatOfAMetric) {
  stopped_after(4, {"run.eval_every=2", "checkpoint.best=perplexity", "checkpoint.keep=1"});
  EXPECT_TRUE(contains(folder_.read("run/checkpoints/step-00000004/manifest.json"),
                       "\"metrics\": [[\"perplexity\", "));
  EXPECT_EQ(folder_.read("run/checkpoints/best"), "step-00000004\n");
  EXPECT_TRUE(failed(run(tessera(kRun + Words{"checkpoint.best=accuracy"})), 2,
                     {"checkpoint.best: the model has no metric 'accuracy'; it has loss, "
                      "perplexity"}));
}

TEST_F(ChangedRuns, RecordsHaveALineEachAfterALostEnd) {
  stopped_after(5);
  std::string path = folder_ / "run/metrics.jsonl";
  fs::resize_file(path, fs::file_size(path) - 1);
  fs::resize_file(folder_ / "run/log/rank-0.txt",
                  fs::file_size(folder_ / "run/log/rank-0.txt") - 1);
  ASSERT_TRUE(succeeded(run(tessera(kRun + resume("run")))));
  int step = 0;
  for (const std::string& line : lines_of(folder_.read("run/metrics.jsonl"))) {
    auto record = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(record.is_discarded()) << line;
    if (record.contains("loss")) {
      EXPECT_EQ(record["step"], ++step);
    }
  }
  EXPECT_EQ(step, 12);
}

// An update that overflows, with and without a step after it to show it.
TEST_F(ChangedRuns, AStateThatIsNotFiniteIsNoEnd) {
  Words diverging{"optim.lr=3e38", "optim.clip_norm=0", "schedule.warmup=0"};
  for (const Words& more :
       {Words{"run.steps=1"}, Words{"run.steps=1", "data.valid=0"},
        Words{"run.steps=9", "run.stop_after=1"}, Words{"run.steps=9", "checkpoint.every=1"}}) {
    fs::remove_all(folder_ / "run");
    Outcome outcome = run(tessera(kRun + in("run") + diverging + more));
    EXPECT_TRUE(failed(outcome, 1, {"after the update, parameter '", "is not finite"}));
    EXPECT_TRUE(fs::is_empty(folder_ / "run/checkpoints"));
  }
}

TEST_F(ChangedRuns, AStateThatIsNotFiniteReplacesNoGoodOne) {
  stopped_after(4, {"checkpoint.every=2"});
  Words diverging{"schedule.warmup=0", "optim.clip_norm=0", "checkpoint.every=1",
                  "checkpoint.keep=1"};
  EXPECT_TRUE(failed(run(mpirun(2, kRun + resume("run") + diverging + Words{"optim.lr=3e38"})), 1,
                     {"is not finite"}));
  EXPECT_TRUE(fs::exists(checkpoint("run", 2)));
  EXPECT_TRUE(fs::exists(checkpoint("run", 4)));
  EXPECT_FALSE(fs::exists(checkpoint("run", 5)));
  // Finite, but the next step's loss is no number: the one before is still there.
  EXPECT_TRUE(failed(run(mpirun(2, kRun + resume("run") + diverging + Words{"optim.lr=1e38"})), 1,
                     {"step 6: the loss is "}));
  fs::remove_all(checkpoint("run", 5));
  Words watched{"optim.lr=1e38", "compute.detect_anomaly=true"};
  EXPECT_TRUE(failed(run(tessera(kRun + resume("run") + diverging + watched)), 1,
                     {"[anomaly] the gradient of input 0 of 'cross_entropy'"}));
  EXPECT_TRUE(fs::exists(checkpoint("run", 4)));
  fs::remove_all(checkpoint("run", 5));
  EXPECT_TRUE(succeeded(run(tessera(kRun + resume("run")))));
}

TEST_F(ChangedRuns, OldCheckpointsGoOnceTheNewestIsGood) {
  for (const char* every : {"1", "3"}) {
    fs::remove_all(folder_ / "run");
    Words words{std::string("checkpoint.every=") + every, "checkpoint.keep=1"};
    ASSERT_TRUE(succeeded(run(mpirun(2, kRun + in("run") + words))));
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "run/checkpoints")) {
      count += entry.is_directory() ? 1 : 0;
    }
    EXPECT_EQ(count, 1U);
  }
}

// Weights that are finite and give no number: they are not lost, and nothing goes on from them.
TEST_F(ChangedRuns, ALossOfValidationThatIsNoNumberIsNoEnd) {
  stopped_after(11, {"checkpoint.every=2", "checkpoint.keep=1"});
  Outcome outcome = run(tessera(kRun + resume("run") +
                                Words{"optim.lr=1e37", "optim.clip_norm=0", "checkpoint.keep=1",
                                      "schedule.warmup=0", "schedule.final_fraction=1"}));
  EXPECT_TRUE(failed(outcome, 1, {"the validation loss after the last step is "}));
  EXPECT_TRUE(contains(outcome.out, "validation loss "));
  EXPECT_TRUE(fs::exists(checkpoint("run", 11)));
  EXPECT_TRUE(contains(outcome.err, checkpoint("run", 12) + ".bad has the weights"));
  EXPECT_TRUE(succeeded(run(tessera({"verify", checkpoint("run", 12) + ".bad"}))));
  EXPECT_EQ(folder_.read("run/checkpoints/latest"), "step-00000011\n");
  EXPECT_FALSE(contains(folder_.read("run/metrics.jsonl"), "\"final\"") == true);
}

TEST_F(ChangedRuns, NoImagesAreAnErrorEverywhere) {
  auto write_idx = [&](const std::string& name, char count, bool images) {
    std::string bytes{0, 0, 8, static_cast<char>(images ? 3 : 1), 0, 0, 0, count};
    if (images) bytes += std::string{0, 0, 0, 28, 0, 0, 0, 28};
    size_t size = static_cast<size_t>(count) * (images ? 28 * 28 : 1);
    folder_.write(name, bytes + std::string(size, 1));
  };
  for (const char* empty : {"train", "t10k"}) {
    for (const char* part : {"train", "t10k"}) {
      char count = part == std::string(empty) ? 0 : 40;
      write_idx(std::string(part) + "-images-idx3-ubyte", count, true);
      write_idx(std::string(part) + "-labels-idx1-ubyte", count, false);
    }
    Words config{kSourceDir + "/configs/mlp_fashion.yaml", "data.path=" + folder_.path(),
                 "run.dir=" + (folder_ / "run"), "run.steps=1", "data.leaves=2"};
    Words expected{std::string(empty) + "-images-idx3-ubyte: no images in it"};
    EXPECT_TRUE(failed(run(tessera(Words{"train"} + config)), 1, expected));
    EXPECT_TRUE(failed(run(tessera(Words{"debug", "-n", "2"} + config)), 1, expected));
    EXPECT_TRUE(failed(run(tessera(Words{"plan", "--ranks", "2"} + config)), 1, expected));
    EXPECT_FALSE(fs::exists(folder_ / "run"));
  }
}

TEST_F(ChangedRuns, AFolderIsOneJobsAtATime) {
  Words endless = kRun + in("run") + Words{"run.steps=100000", "checkpoint.every=20"};
  for (int ranks : {1, 2}) {
    fs::remove_all(folder_ / "run");
    Process living(ranks == 1 ? tessera(endless) : mpirun(ranks, endless));
    ASSERT_TRUE(eventually(std::chrono::seconds(20), [&] { return num_records("run") >= 3; }));
    Words again = kRun + resume("run") + Words{"run.steps=100000", "optim.lr=0.5"};
    Words expected{(folder_ / "run") + ": the run in this folder is another job's", "process ",
                   ", since "};
    EXPECT_TRUE(failed(run(tessera(again)), 1, expected));
    EXPECT_TRUE(failed(run(mpirun(2, again)), 1, expected));
    EXPECT_TRUE(failed(run(tessera(kRun + in("run"))), 1, {"there is a run in this folder"}));
    for (pid_t member : living.members()) kill(member, SIGTERM);
    living.wait();
    // Free again, as soon as it has ended.
    Outcome after = run(tessera(again + Words{"run.stop_after=1"}));
    EXPECT_EQ(after.exit_code, kStopped) << describe(after);
  }
}

}  // namespace
}  // namespace tessera::test
