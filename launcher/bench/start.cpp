// How long starting takes, and going on after a rank was killed.
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include "launcher/bench/bench.h"
#include "launcher/bench/families.h"
#include "launcher/bench/interrupt.h"
#include "launcher/bench/training_run.h"

namespace tessera::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Measured measure_first_step(const Settings& settings) {
  TrainingRuns runs(settings.folder);
  Words arguments = runs.train(settings.quick ? kTinyGpt : kQuickstart, 8, 1);
  return in_turns(settings, 9, {.value = [&] {
                    return median_of_steps(runs.run(1, arguments), "since_start_s", 1);
                  }});
}

constexpr int kInitRanks = 4;
constexpr const char* kIsUp = "mpi-is-up-at";

// As root, and with more ranks than cores, mpirun starts nothing unless told that it may.
const std::map<std::string, std::string> kMayStart{
    {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
    {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
    {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
    {"PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"}};
// What `tessera launch` sets for its ranks.
const std::map<std::string, std::string> kSameSettings{{"OMPI_MCA_pml", "ob1"},
                                                       {"OMPI_MCA_btl", "self,vader"},
                                                       {"OMPI_MCA_shmem", "mmap"},
                                                       {"OMPI_MCA_mpi_yield_when_idle", "1"}};

// Milliseconds from the launcher's start to the last rank's end of MPI_Init.
double ms_to_init(const Settings& settings, const Words& launcher,
                  std::map<std::string, std::string> variables) {
  Scratch scratch(settings.folder);
  variables.insert(kMayStart.begin(), kMayStart.end());
  Words command = launcher;
  command.insert(command.end(), {own_command(), "bench", "--say-when-mpi-is-up"});
  double start = seconds_since_1970();
  std::istringstream words(run_program(scratch, command, variables));
  int count = 0;
  double last = 0;
  for (std::string word; words >> word;) {
    if (word != kIsUp) continue;
    double time = 0;
    words >> time;
    last = std::max(last, time);
    ++count;
  }
  TESSERA_CHECK(count == kInitRanks, "{} of {} ranks said when MPI was up", count, kInitRanks);
  return 1e3 * (last - start);
}

Measured measure_init(const Settings& settings, bool same_settings) {
  std::string mpirun = find_program("mpirun");
  std::string ranks = std::to_string(kInitRanks);
  Words ours{own_command(), "launch", "-n", ranks, "--"};
  Words theirs{mpirun, "-np", ranks, "--bind-to", "none"};
  Trial trial{.value = [&] { return ms_to_init(settings, ours, {}); }};
  if (!mpirun.empty()) {
    auto variables = same_settings ? kSameSettings : std::map<std::string, std::string>{};
    trial.reference = [=] { return ms_to_init(settings, theirs, variables); };
    trial.reference_name = same_settings ? "mpirun with the same settings" : "mpirun by default";
  }
  return in_turns(settings, 15, trial);
}

std::vector<pid_t> children_of(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/task/{}/children", process, process));
  std::vector<pid_t> out;
  for (pid_t child = 0; file >> child;) out.push_back(child);
  return out;
}

// The processes that what an agent has started, its tessera-pmix, has forked.
std::vector<pid_t> ranks_of(pid_t agent) {
  std::vector<pid_t> out;
  for (pid_t keeper : children_of(agent)) {
    for (pid_t rank : children_of(keeper)) out.push_back(rank);
  }
  return out;
}

// A launched run whose last rank is killed again and again.
class KilledRun {
 public:
  explicit KilledRun(const Settings& settings)
      : runs_(settings.folder),
        folder_(runs_.scratch() / "run"),
        program_(command(settings), runs_.scratch() / "output.txt") {}

  // Seconds from the kill of a rank to the next step's record.
  double seconds_to_next_step() {
    wait_for(num_steps() + 3);
    std::vector<pid_t> ranks = ranks_of(program_.pid());
    TESSERA_CHECK(!ranks.empty(), "no ranks are to be found");
    kill(ranks.back(), SIGKILL);
    auto start = Clock::now();
    // What the ranks had done by then may still be on its way into the file.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    wait_for(num_steps() + 1);
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

 private:
  Words command(const Settings& settings) {
    GptSizes sizes = settings.quick ? kTinyGpt : kGptChar;
    sizes.context = std::min<int64_t>(sizes.context, 64);
    sizes.micro_batch = 1;
    // More steps than it will see; but it ends by itself should nobody be left to end it.
    Words arguments =
        runs_.train(sizes, 2, settings.quick ? 100'000 : 5'000, {"run.dir=" + folder_});
    return TrainingRuns::command(2, arguments, {"--max-restarts", "100"});
  }
  size_t num_steps() const { return TrainingRuns::records(folder_).size(); }
  void wait_for(size_t count) {
    constexpr std::chrono::seconds kTimeout{120};
    for (auto limit = Clock::now() + kTimeout; num_steps() < count;) {
      throw_if_interrupted();
      TESSERA_CHECK(program_.running(), "the run has ended: {}", program_.printed());
      TESSERA_CHECK(Clock::now() < limit, "no step within {} s", kTimeout.count());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  TrainingRuns runs_;
  std::string folder_;
  Program program_;
};

Measured measure_recovery(const Settings& settings) {
  KilledRun run(settings);
  return in_turns(settings, 5,
                  {.value = [&] { return run.seconds_to_next_step(); }, .warm_up = false});
}

}  // namespace

int say_when_mpi_is_up() {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  fmt::print("{} {:.9f}\n", kIsUp, seconds_since_1970());
  MPI_Finalize();
  return 0;
}

void add_start(std::vector<Benchmark>& to) {
  to.push_back({"start.first_step", "s", "from process start to the quickstart's first step",
                measure_first_step});
  to.push_back({"start.mpi_init_4", "ms", "`tessera launch -n 4`, to the end of MPI_Init",
                [](const Settings& s) { return measure_init(s, true); }});
  to.push_back({"start.mpi_init_4_defaults", "ms", "the same, against mpirun as it is set up",
                [](const Settings& s) { return measure_init(s, false); }});
  to.push_back({"start.next_step_after_kill", "s",
                "from kill -9 of a rank to the next step, 10.8 million parameters",
                measure_recovery});
}

}  // namespace tessera::bench
