// What a signal ends saves first: training alone and launched, whoever gets the signal and however
// often it comes.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/integration/launch_command.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Words kEndless{"run.steps=1000000"};
// Large enough for oneDNN's products, a few milliseconds a step.
const Words kSomeModel{"model.layers=1",     "model.heads=2",      "model.width=128",
                       "model.context=128",  "data.micro_batch=2", "data.leaves=4",
                       "run.eval_batches=1", "data.valid=0.1"};

std::string name_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

class Signals : public testing::Test {
 protected:
  // Tests that are run under nohup ignore it, and so would what they start.
  Signals() { std::signal(SIGHUP, SIG_DFL); }
  std::string dir() const { return folder_ / "run"; }
  std::string metrics() const {
    return fs::exists(dir() + "/metrics.jsonl") ? folder_.read("run/metrics.jsonl") : "";
  }
  bool has_step(int step) const {
    std::string word = "\"step\":" + std::to_string(step) + ",";
    return eventually(seconds(30), [&] { return contains(metrics(), word); });
  }
  // The step that the only checkpoint is of; 0: there is none.
  int saved_step() const {
    for (const auto& entry : fs::directory_iterator(dir() + "/checkpoints")) {
      std::string name = entry.path().filename();
      if (name.starts_with("step-")) return std::stoi(name.substr(5));
    }
    return 0;
  }
  Command train(const Words& more) const {
    return tessera(Words{"train", kQuickstart, "run.dir=" + dir()} + kTinyModel + more);
  }
  Command shell(const std::string& script, const Words& arguments = {}) const {
    return in_source_dir(Words{"bash", "-c", script, "bash"} + arguments);
  }

  TempDir folder_;
};

TEST_F(Signals, EveryOneThatAsksToStopSavesFirst) {
  for (int signal : {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGXCPU}) {
    fs::remove_all(dir());
    Process process(train(kEndless));
    ASSERT_TRUE(has_step(3));
    process.signal(signal);
    Outcome outcome = process.wait();
    EXPECT_TRUE(ended_with(outcome, 75)) << strsignal(signal);
    EXPECT_GE(saved_step(), 3) << strsignal(signal);
  }
}

TEST_F(Signals, ATrainingWhoseReaderHasGoneGoesOn) {
  Command command = shell("{ \"$@\"; echo $? > '" + folder_ / "code" + "'; } | head -n 1",
                          train({"run.steps=300", "log.every=1"}).argv);
  Outcome outcome = run(command);
  EXPECT_TRUE(ended_with(outcome, 0));
  EXPECT_EQ(folder_.read("code"), "0\n") << outcome.err;
  EXPECT_TRUE(contains(metrics(), "\"final\":true"));
}

TEST_F(Signals, AReaderWhoDoesNotReadDoesNotKeepATrainingFromSaving) {
  // A terminal's or a pager's: the pipe fills up, and nobody empties it.
  Words more = kEndless + Words{"log.every=1"};
  Process process(
      shell("{ \"$@\"; echo $? > '" + folder_ / "code" + "'; } | sleep 20", train(more).argv));
  auto trainer = [&] {
    for (pid_t member : process.members()) {
      if (name_of(member) == "tessera") return member;
    }
    return pid_t{0};
  };
  ASSERT_TRUE(has_step(5));
  // Until it stands still.
  size_t before = 0;
  ASSERT_TRUE(eventually(seconds(40), [&] {
    std::this_thread::sleep_for(milliseconds(500));
    size_t now = metrics().size();
    return now == std::exchange(before, now);
  }));
  kill(trainer(), SIGTERM);
  // There, and written.
  ASSERT_TRUE(eventually(
      seconds(10), [&] { return fs::exists(folder_ / "code") && !folder_.read("code").empty(); }));
  EXPECT_EQ(folder_.read("code"), "75\n");
  EXPECT_GE(saved_step(), 5);
}

// Ranks inside products get hundreds of them, and compute what they would have computed.
TEST_F(Signals, HundredsOfThemDuringProductsChangeNothing) {
  Words steps = kSomeModel + Words{"run.steps=150"};
  auto words = [&](const std::string& run) {
    return Words{TESSERA_BINARY, "train", kQuickstart, "run.dir=" + (folder_ / run)} + steps;
  };
  Command quiet_command = launch({"-n", "2"}, words("quiet"));
  quiet_command.env["DNNL_MAX_CPU_ISA"] = "AVX2";
  quiet_command.timeout = seconds(200);
  Outcome quiet = run(quiet_command);
  ASSERT_TRUE(ended_with(quiet, 0));
  Command command = launch({"-n", "2"}, words("run"));
  // With it, oneDNN's products are those that move the stack pointer.
  command.env["DNNL_MAX_CPU_ISA"] = "AVX2";
  command.timeout = seconds(200);
  Process process(command);
  ASSERT_TRUE(has_step(1));
  std::vector<pid_t> ranks;
  for (const char* rank : {"RANK=0", "RANK=1"}) {
    for (pid_t pid : process.members(rank)) ranks.push_back(pid);
  }
  ASSERT_EQ(ranks.size(), 2u);
  int sent = 0;
  for (; sent < 600 && !contains(metrics(), "\"final\""); ++sent) {
    for (pid_t rank : ranks) kill(rank, SIGUSR2);
    std::this_thread::sleep_for(milliseconds(1));
  }
  Outcome outcome = process.wait();
  EXPECT_TRUE(ended_with(outcome, 0));
  EXPECT_GE(sent, 100);
  EXPECT_TRUE(contains(outcome.err, "the stack of this rank"));
  EXPECT_EQ(said(outcome, "digest"), said(quiet, "digest"));
}

TEST_F(Signals, AStopAtAnyMomentSavesFirst) {
  for (int round = 0; round < 6; ++round) {
    fs::remove_all(dir());
    Command command = launch({"-n", "2"}, Words{TESSERA_BINARY, "train", kQuickstart,
                                                "run.dir=" + dir(), "log.every=1"} +
                                              kSomeModel + kEndless);
    command.env["DNNL_MAX_CPU_ISA"] = "AVX2";
    Process process(command);
    ASSERT_TRUE(has_step(2));
    std::this_thread::sleep_for(milliseconds(7 * round));
    process.signal(SIGTERM);
    EXPECT_TRUE(ended_with(process.wait(), 75)) << round;
    EXPECT_GE(saved_step(), 2);
  }
}

// As a scheduler does: to agents, ranks and what lies between them.
TEST_F(Signals, ToEveryProcessOfAJobAtOnceTheyCountAsOne) {
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    fs::remove_all(dir());
    Process process(launch({"-n", "2"}, train_words(dir(), kEndless)));
    ASSERT_TRUE(has_step(3));
    for (pid_t member : process.members()) kill(member, signal);
    Outcome outcome = process.wait();
    EXPECT_TRUE(ended_with(outcome, 75)) << strsignal(signal);
    EXPECT_GE(saved_step(), 3) << strsignal(signal);
  }
}

// Slurm's time limit sends SIGTERM, SIGCONT, and 20 ms later SIGTERM again.
TEST_F(Signals, OneThatIsRepeatedAtOnceSavesFirst) {
  for (bool launched : {false, true}) {
    fs::remove_all(dir());
    Process process(launched ? launch({"-n", "2"}, train_words(dir(), kEndless)) : train(kEndless));
    ASSERT_TRUE(has_step(3));
    process.signal(SIGTERM);
    process.signal(SIGCONT);
    std::this_thread::sleep_for(milliseconds(20));
    process.signal(SIGTERM);
    EXPECT_TRUE(ended_with(process.wait(), 75)) << launched;
    EXPECT_GE(saved_step(), 3) << launched;
  }
}

TEST_F(Signals, TheSecondEndsALaunchWhoseOutputNobodyReads) {
  Process process(shell("{ \"$@\"; echo $? > '" + folder_ / "code" + "'; } 2>&1 | sleep 30",
                        launch({"-n", "2"}, {"sh", "-c", "trap '' TERM; yes"}).argv));
  auto agent = [&] {
    for (pid_t member : process.members()) {
      if (name_of(member) == "tessera") return member;
    }
    return pid_t{0};
  };
  ASSERT_TRUE(eventually(seconds(20), [&] { return !process.members("RANK=1").empty(); }));
  std::this_thread::sleep_for(seconds(1));
  kill(agent(), SIGINT);
  // Sooner it would be the first once more.
  std::this_thread::sleep_for(milliseconds(1200));
  EXPECT_FALSE(fs::exists(folder_ / "code"));
  kill(agent(), SIGINT);
  EXPECT_TRUE(eventually(seconds(5), [&] { return fs::exists(folder_ / "code"); }));
  EXPECT_EQ(folder_.read("code"), "130\n");
}

}  // namespace
}  // namespace tessera::test
