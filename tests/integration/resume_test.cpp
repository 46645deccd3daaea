// Runs that are broken off, and go on.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

constexpr int kStopped = 75;
const Words kRun =
    Words{"train", kQuickstart} + kTinyModel + Words{"data.leaves=4", "run.steps=12"};

class Resume : public testing::Test {
 protected:
  Words in(const std::string& name) const { return {"run.dir=" + (folder_ / name)}; }
  std::string checkpoint(const std::string& name, int step) const {
    return folder_ / (name + fmt::format("/checkpoints/step-{:08}", step));
  }
  // What the run prints that nobody breaks off.
  std::string expected() {
    Outcome outcome = run(tessera(kRun + in("whole")));
    EXPECT_TRUE(succeeded(outcome));
    return printed(outcome, "digest");
  }
  // The last bytes of a rank's part change.
  void damage(const std::string& path) const {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-3, std::ios::end);
    file.put('!');
  }
  size_t num_records(const std::string& name) const {
    std::ifstream file(folder_ / (name + "/metrics.jsonl"));
    size_t count = 0;
    for (std::string line; std::getline(file, line);) ++count;
    return count;
  }

  TempDir folder_;
};

TEST_F(Resume, AfterAStopOtherRanksEndWithTheSameDigest) {
  std::string digest = expected();
  Outcome first = run(tessera(kRun + in("run") + Words{"run.stop_after=5"}));
  EXPECT_EQ(first.exit_code, kStopped) << describe(first);
  EXPECT_EQ(printed(first, "checkpoint"), checkpoint("run", 5));
  EXPECT_TRUE(contains(first.out, "stopped by run.stop_after after step 5 of 12"));

  Words resume = kRun + in("run") + Words{"run.resume=auto"};
  Outcome second = run(mpirun(3, resume + Words{"parallel.strategy=zero3", "run.stop_after=8"}));
  EXPECT_EQ(second.exit_code, kStopped) << describe(second);
  EXPECT_TRUE(contains(second.out, "going on after step 5 from " + checkpoint("run", 5)));
  EXPECT_TRUE(contains(second.out, "since that checkpoint, parallel.strategy: ddp -> zero3"));

  Words last = Words{"debug", "-n", "4"} + resume + Words{"parallel.strategy=zero1"};
  last.erase(last.begin() + 3);
  Outcome third = run(tessera(last));
  ASSERT_TRUE(succeeded(third));
  EXPECT_EQ(printed(third, "digest"), digest);

  // Every step has one record, and going on once more changes nothing.
  std::string metrics = folder_.read("run/metrics.jsonl");
  for (int step = 1; step <= 12; ++step) {
    std::string loss = fmt::format("\"step\":{},", step);
    size_t count = 0;
    for (const std::string& line : lines_of(metrics)) {
      count += line.find("\"loss\"") != std::string::npos && line.find(loss) != std::string::npos;
    }
    EXPECT_EQ(count, 1U) << "step " << step;
  }
  Outcome again = run(tessera(resume));
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(printed(again, "digest"), digest);
}

TEST_F(Resume, ASignalSavesAndEndsWith75) {
  int number = 0;
  for (int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    std::string name = "run" + std::to_string(++number);
    // So many steps that none of them is the last.
    Words words = kRun + in(name) + Words{"run.steps=100000"};
    Process process(tessera(words));
    ASSERT_TRUE(eventually(std::chrono::seconds(20), [&] { return num_records(name) >= 3; }));
    for (pid_t member : process.members()) kill(member, signal);
    Outcome outcome = process.wait();
    EXPECT_EQ(outcome.exit_code, kStopped) << describe(outcome);
    EXPECT_TRUE(contains(outcome.out, "stopped by a signal after step"));
    EXPECT_EQ(outcome.err, "");
    EXPECT_TRUE(succeeded(run(tessera({"verify", folder_ / name}))));
  }
}

TEST_F(Resume, MpirunPassesTheSignalOn) {
  Process process(mpirun(2, kRun + in("run") + Words{"run.steps=100000"}));
  ASSERT_TRUE(eventually(std::chrono::seconds(20), [&] { return num_records("run") >= 3; }));
  for (pid_t member : process.members()) {
    std::ifstream name("/proc/" + std::to_string(member) + "/comm");
    std::string comm;
    std::getline(name, comm);
    // Signals to mpirun alone, which passes this one on. Open MPI 5's is called prterun.
    if (comm == fs::path(MPIRUN).filename() || comm == "prterun") kill(member, SIGUSR1);
  }
  Outcome outcome = process.wait();
  EXPECT_EQ(outcome.exit_code, kStopped) << describe(outcome);
  EXPECT_TRUE(contains(outcome.out, "stopped by a signal after step"));
  EXPECT_TRUE(succeeded(run(tessera({"verify", folder_ / "run"}))));
}

// Killed again and again at any time, it gets to the same end.
void expect_to_survive_kills(const std::function<Command(const Words&)>& command,
                             const TempDir& folder, const Words& words, const std::string& digest) {
  std::mt19937 random(3);
  int kills = std::getenv("TESSERA_TEST_WHOLE_PRODUCT") ? 40 : 4;
  for (int i = 0; i < kills; ++i) {
    Process process(command(words));
    // Ranks take a while to start.
    std::this_thread::sleep_for(std::chrono::milliseconds(150 + random() % 500));
    for (pid_t member : process.members()) kill(member, SIGKILL);
    process.wait();
  }
  Outcome outcome = run(command(words));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_EQ(printed(outcome, "digest"), digest);
  for (const auto& entry : fs::directory_iterator(folder / "run/checkpoints")) {
    std::string name = entry.path().filename();
    EXPECT_TRUE(name == "latest" ||
                (name.starts_with("step-000") && name.find('.') == std::string::npos))
        << name;
  }
}

TEST_F(Resume, KillsDoNotChangeTheEnd) {
  Words more{"run.steps=150", "checkpoint.every=1", "run.resume=auto"};
  Outcome whole = run(tessera(kRun + Words{"run.steps=150"} + in("whole")));
  ASSERT_TRUE(succeeded(whole));
  std::string digest = printed(whole, "digest");
  expect_to_survive_kills([](const Words& words) { return tessera(words); }, folder_,
                          kRun + in("run") + more, digest);
  fs::remove_all(folder_ / "run");
  expect_to_survive_kills([](const Words& words) { return mpirun(2, words); }, folder_,
                          kRun + in("run") + more + Words{"parallel.strategy=zero2"}, digest);
}

TEST_F(Resume, ADamagedCheckpointIsPassedOverAndNamed) {
  std::string digest = expected();
  Words words = kRun + in("run") + Words{"checkpoint.every=2"};
  ASSERT_EQ(run(mpirun(2, words + Words{"run.stop_after=7"})).exit_code, kStopped);
  std::string part = checkpoint("run", 7) + "/rank-1-of-2.safetensors";
  damage(part);
  Outcome path = run(tessera(
      words + Words{"run.resume=" + checkpoint("run", 7), "run.dir=" + (folder_ / "other")}));
  EXPECT_TRUE(failed(path, 1, {"run.resume: " + part + ": ", "is damaged"}));

  Outcome outcome = run(tessera(words + Words{"run.resume=auto"}));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_TRUE(contains(outcome.out, "passed over a damaged checkpoint: " + part));
  EXPECT_TRUE(contains(outcome.out, "it is now called " + checkpoint("run", 7) + ".bad"));
  EXPECT_TRUE(contains(outcome.out, "going on after step 6 from " + checkpoint("run", 6)));
  EXPECT_EQ(printed(outcome, "digest"), digest);

  damage(checkpoint("run", 12) + "/rank-0-of-1.safetensors");
  fs::remove_all(checkpoint("run", 10));
  EXPECT_TRUE(failed(run(tessera(words + Words{"run.resume=auto"})), 1,
                     {"none of the 1 checkpoints", checkpoint("run", 12), "is damaged"}));
}

TEST_F(Resume, AnotherModelOrSeedIsRefused) {
  ASSERT_EQ(run(tessera(kRun + in("run") + Words{"run.stop_after=2"})).exit_code, kStopped);
  Words resume = kRun + in("run") + Words{"run.resume=auto"};
  EXPECT_TRUE(failed(run(tessera(resume + Words{"model.width=32"})), 1,
                     {checkpoint("run", 2), "has the shape"}));
  EXPECT_TRUE(failed(run(tessera(resume + Words{"run.seed=5"})), 1,
                     {checkpoint("run", 2), "seed", "repeated and skipped"}));
  EXPECT_TRUE(failed(run(tessera(resume + Words{"optim.ema=0.9"})), 1,
                     {checkpoint("run", 2), "it has no 'ema/wte.weight'"}));
  EXPECT_TRUE(failed(run(tessera(kRun + in("other") + Words{"run.resume=" + (folder_ / "no")})), 1,
                     {folder_ / "no"}));
  EXPECT_FALSE(fs::exists(folder_ / "other"));
  // Nothing is left behind where it is seen at once.
  EXPECT_TRUE(failed(
      run(tessera(kRun + in("other") + Words{"run.resume=" + (folder_ / "run"), "model.width=32"})),
      1, {"run.resume: " + checkpoint("run", 2), "has the shape"}));
  EXPECT_TRUE(failed(run(tessera(kRun + in("other") + Words{"init.from=" + (folder_ / "no")})), 1,
                     {folder_ / "no"}));
  EXPECT_TRUE(failed(
      run(mpirun(2, kRun + in("other") + Words{"init.from=" + (folder_ / "run"), "init.map=x"})), 2,
      {"init.map: expected OLD=NEW, got 'x'"}));
  EXPECT_FALSE(fs::exists(folder_ / "other"));
  // A run that did not mean to go on.
  EXPECT_TRUE(failed(run(tessera(kRun + in("run"))), 1, {"there is a run in this folder already"}));
}

TEST_F(Resume, AutoStartsWhereThereIsNothing) {
  Words words = kRun + in("run") + Words{"run.resume=auto"};
  Outcome outcome = run(tessera(words));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_EQ(printed(outcome, "digest"), expected());
}

TEST_F(Resume, APathStartsANewRunFromThere) {
  ASSERT_EQ(run(tessera(kRun + in("run") + Words{"run.stop_after=4"})).exit_code, kStopped);
  Outcome outcome = run(tessera(kRun + in("branch") + Words{"run.resume=" + (folder_ / "run")}));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_EQ(printed(outcome, "digest"), expected());
  EXPECT_TRUE(fs::exists(checkpoint("run", 4)));
  EXPECT_FALSE(fs::exists(checkpoint("run", 12)));
}

TEST_F(Resume, SnapshotsInMemorySaveReadingTheDisk) {
  auto command = [&](int ranks, const Words& more) {
    Command one = mpirun(ranks, kRun + in("run") + Words{"checkpoint.memory_every=2"} + more);
    one.env["TESSERA_SNAPSHOT_DIR"] = folder_ / "memory";
    return one;
  };
  // Killed in the middle, with nothing on disk.
  Process process(command(2, {"parallel.strategy=zero3", "run.steps=1500"}));
  ASSERT_TRUE(eventually(std::chrono::seconds(20), [&] { return num_records("run") >= 6; }));
  for (pid_t member : process.members()) kill(member, SIGKILL);
  process.wait();
  ASSERT_TRUE(fs::is_empty(folder_ / "run/checkpoints"));
  Outcome whole = run(tessera(kRun + in("long") + Words{"run.steps=1500"}));
  ASSERT_TRUE(succeeded(whole));
  Outcome outcome = run(command(3, {"run.resume=auto", "run.steps=1500"}));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_TRUE(contains(outcome.out, "from a snapshot in memory of step"));
  EXPECT_EQ(printed(outcome, "digest"), printed(whole, "digest"));

  // Without the folder's name it cannot be.
  EXPECT_TRUE(failed(run(tessera(kRun + in("none") + Words{"checkpoint.memory_every=1"})), 1,
                     {"checkpoint.memory_every", "TESSERA_SNAPSHOT_DIR"}));
}

// The newest wins, wherever it lies, and a damaged one gives way to the next.
TEST_F(Resume, DiskAndMemoryAreTriedNewestFirst) {
  std::string digest = expected();
  auto command = [&](const Words& more) {
    Command one =
        tessera(kRun + in("run") + Words{"run.resume=auto", "checkpoint.memory_every=2"} + more);
    one.env["TESSERA_SNAPSHOT_DIR"] = folder_ / "memory";
    return one;
  };
  ASSERT_EQ(run(command({"run.stop_after=5"})).exit_code, kStopped);
  fs::copy(folder_ / "memory", folder_ / "memory_then");
  Outcome disk = run(command({"run.stop_after=6"}));
  EXPECT_TRUE(contains(disk.out, "going on after step 5 from " + checkpoint("run", 5)));

  // As after step 5 again, and that is damaged: the snapshot is of step 4.
  fs::remove_all(checkpoint("run", 6));
  fs::remove_all(folder_ / "memory");
  fs::copy(folder_ / "memory_then", folder_ / "memory");
  damage(checkpoint("run", 5) + "/rank-0-of-1.safetensors");
  Outcome memory = run(command({}));
  ASSERT_TRUE(succeeded(memory));
  EXPECT_TRUE(contains(memory.out, "going on after step 4 from a snapshot in memory of step 4"));
  EXPECT_EQ(printed(memory, "digest"), digest);
}

// Half the samples a step from there on: the position goes on from where it was.
TEST_F(Resume, ThePositionInTheDataIsANumberOfSamples) {
  Words words = kRun + in("run") + Words{"run.resume=auto"};
  ASSERT_EQ(run(tessera(words + Words{"data.micro_batch=2", "run.stop_after=5"})).exit_code,
            kStopped);
  ASSERT_EQ(run(tessera(words + Words{"run.stop_after=7"})).exit_code, kStopped);
  EXPECT_TRUE(contains(run(tessera({"inspect", folder_ / "run"})).out, "step 7, position 48 "));
}

TEST_F(Resume, FailedSavesAreToldAndTrainingGoesOn) {
  Command command = tessera(kRun + in("run") + Words{"checkpoint.every=4"});
  command.max_file_bytes = 8192;
  Outcome outcome = run(command);
  EXPECT_EQ(outcome.exit_code, 1) << describe(outcome);
  Words errors = errors_of(outcome);
  ASSERT_EQ(errors.size(), 3U) << describe(outcome);
  EXPECT_TRUE(contains(errors[0], "step 4: no checkpoint was saved: "));
  EXPECT_TRUE(contains(errors[1], "step 8: no checkpoint was saved: "));
  EXPECT_TRUE(contains(errors[2], "File too large"));
  EXPECT_TRUE(fs::is_empty(folder_ / "run/checkpoints"));
}

TEST_F(Resume, TheBestIsKept) {
  Words words =
      kRun + in("run") + Words{"checkpoint.every=2",   "run.eval_every=2", "checkpoint.keep=1",
                               "checkpoint.best=true", "optim.lr=0.5",     "optim.clip_norm=0"};
  Outcome outcome = run(tessera(words));
  ASSERT_TRUE(succeeded(outcome));
  std::string best = folder_.read("run/checkpoints/best");
  EXPECT_TRUE(fs::exists(folder_ / ("run/checkpoints/" + best.substr(0, best.size() - 1))));
  EXPECT_EQ(folder_.read("run/checkpoints/latest"), "step-00000012\n");
}

TEST_F(Resume, WeightsOfAnotherRunAreTakenAndNamed) {
  ASSERT_TRUE(succeeded(run(tessera(kRun + in("run")))));
  Words words = kRun + in("tuned") + Words{"run.steps=1", "init.from=" + (folder_ / "run")};
  Outcome outcome = run(mpirun(2, words + Words{"parallel.strategy=zero3"}));
  ASSERT_TRUE(succeeded(outcome));
  EXPECT_TRUE(contains(outcome.out, "init: 16 tensors with "));
  // The loss goes on where it was, and does not start at that of a new model.
  EXPECT_TRUE(contains(outcome.out, "step 1/1  loss"));

  words = kRun + in("wider") +
          Words{"run.steps=1", "init.from=" + (folder_ / "run"), "model.context=32"};
  EXPECT_TRUE(failed(run(tessera(words)), 1,
                     {"init.from: ", "'wpe.weight' has the shape (16, 16)",
                      "init.map: wpe.weight=- leaves it out"}));
  fs::remove_all(folder_ / "wider");
  Outcome mapped = run(tessera(words + Words{"init.map=wpe.weight=-,blocks.0.ln1=nothing"}));
  ASSERT_TRUE(succeeded(mapped));
  EXPECT_TRUE(contains(mapped.out, "init: 3 start new: wpe.weight, blocks.0.ln1.weight"));
  EXPECT_TRUE(contains(mapped.out, "init: 2 of the file are not used: blocks.0.ln1."));
}

TEST_F(Resume, ConvertedModelsAreTheSameModel) {
  Words ema{"optim.ema=0.9"};
  Outcome trained = run(mpirun(2, kRun + in("run") + ema));
  ASSERT_TRUE(succeeded(trained));
  std::string digest = printed(trained, "digest") + "\n";
  for (const char* name : {"one.safetensors", "one.npz"}) {
    std::string out = folder_ / name;
    ASSERT_TRUE(succeeded(run(tessera({"convert", folder_ / "run", out}))));
    EXPECT_EQ(run(tessera({"inspect", "--digest", out})).out, digest) << name;
  }
  std::string one = folder_ / "one.safetensors";
  std::string gpt2 = folder_ / "gpt2";
  ASSERT_TRUE(succeeded(run(tessera({"convert", one, gpt2, "--gpt2"}))));
  EXPECT_EQ(run(tessera({"inspect", "--digest", gpt2})).out, digest);
  Outcome same = run(tessera({"inspect", gpt2, one}));
  EXPECT_TRUE(contains(same.out, "no difference in 16 tensors"));
  Words generate{"generate", "", "--prompt", "In", "--length", "20"};
  std::string text;
  for (const std::string& path : {folder_ / "run", one, gpt2}) {
    generate[1] = path;
    Outcome outcome = run(tessera(generate));
    ASSERT_TRUE(succeeded(outcome));
    EXPECT_TRUE(text.empty() || text == outcome.out);
    text = outcome.out;
  }
  std::string averages = folder_ / "ema.safetensors";
  ASSERT_TRUE(succeeded(run(tessera({"convert", folder_ / "run", averages, "--ema"}))));
  Outcome apart = run(tessera({"inspect", averages, one}));
  EXPECT_TRUE(contains(apart.out, "16 of 16 tensors differ, max absolute "));
  EXPECT_TRUE(failed(run(tessera({"convert", one, folder_ / "two.safetensors", "--ema"})), 1,
                     {"it has no moving averages"}));
  EXPECT_TRUE(failed(run(tessera({"convert", one, folder_ / "two.txt"})), 2, {"two.txt"}));
}

TEST_F(Resume, VerifyFindsDamage) {
  ASSERT_TRUE(succeeded(run(mpirun(2, kRun + in("run") + Words{"checkpoint.checksum=sha256"}))));
  Outcome whole = run(tessera({"verify", folder_ / "run"}));
  ASSERT_TRUE(succeeded(whole));
  EXPECT_TRUE(contains(whole.out, checkpoint("run", 12) + ": whole: step 12, 48 tensors"));
  std::string part = checkpoint("run", 12) + "/rank-1-of-2.safetensors";
  damage(part);
  EXPECT_TRUE(failed(run(tessera({"verify", folder_ / "run"})), 1, {part, "is damaged"}));
  fs::remove(part);
  EXPECT_TRUE(failed(run(tessera({"verify", folder_ / "run"})), 1, {part, "No such file"}));
}

}  // namespace
}  // namespace tessera::test
