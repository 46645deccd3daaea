#include "launcher/experiment/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

#include "core/parallel.h"
#include "core/printable.h"
#include "core/signals.h"
#include "distributed/agreement.h"
#include "distributed/comm/direct/mpi_communicator.h"
#include "distributed/comm/direct/thread_communicator.h"
#include "launcher/experiment/standard_streams.h"
#include "launcher/job/exit_codes.h"
#include "launcher/job/launched_job.h"
#include "launcher/job/progress_board.h"
#include "launcher/job/stack_signal.h"
#include "launcher/job/stop_signals.h"

namespace tessera::experiment {
namespace {

constexpr std::chrono::milliseconds kAfterTheCause{300};

struct StartError {
  std::string text;
  int code = 0;
};

// One string for all that a peer needs to know: the exit code's digit, then the message.
std::string encode(const StartError& error) {
  return error.code == 0 ? "" : std::to_string(error.code) + error.text;
}

StartError decode(const std::string& text) {
  return text.empty() ? StartError() : StartError{text.substr(1), text[0] - '0'};
}

std::unique_ptr<Trainer> try_make(const MakeTrainer& make, int num_ranks, StartError& error) {
  try {
    std::unique_ptr<Trainer> trainer = make();
    trainer->check_ranks(num_ranks);
    return trainer;
  } catch (const ConfigError& e) {
    error = {e.what(), ConfigError::kExitCode};
  } catch (const std::exception& e) {
    error = {e.what(), job::exit_codes::kFailed};
  }
  return nullptr;
}

// Prints what this rank is the first to have, and returns the exit code that all agree on: that of
// the first rank in trouble.
int agree_on_start(Communicator& comm, const StartError& own) {
  std::vector<std::string> all = gather_texts(comm, encode(own));
  auto self = static_cast<size_t>(comm.rank());
  auto first = std::find(all.begin(), all.end(), all[self]);
  if (own.code != 0 && first == all.begin() + comm.rank()) {
    print_error("tessera: " + own.text);
  }
  auto trouble = std::find_if(all.begin(), all.end(), [](const auto& t) { return !t.empty(); });
  return trouble == all.end() ? 0 : decode(*trouble).code;
}

// Processes that were started together and do not know of each other would each train alone.
void refuse_many_jobs() {
  auto tasks = job::tasks_of_strangers();
  if (!tasks) return;
  if (tasks->number > 0) throw ConfigError("");
  throw ConfigError(
      fmt::format("{} has started {} processes that would each be a run of one rank: tessera "
                  "launch -n RANKS -- "
                  "tessera train ..., once on each node, makes them the ranks of one, or {}",
                  tasks->launcher, tasks->count, tasks->instead));
}

std::optional<int> integer_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return std::nullopt;
  std::string_view view(text);
  int value = 0;
  auto [end, error] = std::from_chars(view.begin(), view.end(), value);
  if (error != std::errc() || end != view.end() || value < 1) return std::nullopt;
  return value;
}

}  // namespace

int train_rank(Communicator& comm, const MakeTrainer& make) {
  StartError start;
  std::unique_ptr<Trainer> trainer = try_make(make, comm.size(), start);
  if (int code = agree_on_start(comm, start)) return code;
  try {
    return trainer->run(comm) == Trainer::Ended::done ? 0 : job::exit_codes::kStopped;
  } catch (const SharedError& error) {
    if (comm.rank() == 0) print_error(fmt::format("tessera: {}", error.what()));
  } catch (const CommError& error) {
    // The rank that found the failure says it.
    if (!error.found_by_peer()) print_error(fmt::format("tessera: {}", error.what()));
    // The rank that caused it ends first, so that a launcher names that one.
    std::this_thread::sleep_for(kAfterTheCause);
  } catch (const std::exception& error) {
    std::string where = comm.size() == 1 ? "" : fmt::format("rank {}: ", comm.rank());
    print_error(fmt::format("tessera: {}{}", where, error.what()));
    comm.abort(error.what());
  }
  return job::exit_codes::kFailed;
}

int train_job(const MakeTrainer& make) {
  refuse_many_jobs();
  job::LaunchedJob job = job::launched_job();
  job::watch_stop_signals(job.id.empty() ? job::SecondSignal::ends : job::SecondSignal::ignored);
  if (!launched_by_mpi()) return train_rank(*make_self_communicator(), make);
  auto signs = std::make_shared<job::ProgressSigns>();
  if (*signs) job::print_stack_on_signal();
  CommOptions options;
  if (*signs) options.on_call = [signs](const std::string& call) { signs->begin_call(call); };
  MpiEnvironment mpi(options);
  auto world = mpi.world();
  if (job.num_ranks > 0 && job.num_ranks != world->size()) {
    throw Error(fmt::format("MPI has {} ranks and the launcher {}: this MPI does not know it",
                            world->size(), job.num_ranks));
  }
  return train_rank(*world, make);
}

int train_threads(int num_ranks, const MakeTrainer& make) {
  refuse_many_jobs();
  job::watch_stop_signals();
  auto group = ThreadGroup::make(num_ranks);
  std::vector<int> codes(static_cast<size_t>(num_ranks));
  {
    std::vector<std::jthread> ranks;
    for (int rank = 0; rank < num_ranks; ++rank) {
      auto run = [&, rank] {
        SignalsBlocked blocked;  // the main thread takes them
        auto comm = group->rank(rank);
        codes[static_cast<size_t>(rank)] = train_rank(*comm, make);
      };
      try {
        ranks.emplace_back(run);
      } catch (const std::system_error&) {
        // Those that run would wait for it for ever.
        group->rank(rank)->abort("a rank's thread cannot be started");
        throw;
      }
    }
  }
  // All ranks stop alike; where one failed, that counts.
  auto failed = std::find_if(codes.begin(), codes.end(), [](int code) {
    return code != 0 && code != job::exit_codes::kStopped;
  });
  return failed == codes.end() ? codes.front() : *failed;
}

int threads_for(const AutoInt& threads, int local_ranks) {
  if (threads.value) return static_cast<int>(*threads.value);
  if (std::getenv("TESSERA_NUM_THREADS")) return num_threads();
  auto cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(1, std::min(cores / local_ranks, num_cores()));
}

int local_ranks_of_job() {
  for (const char* variable : {"OMPI_COMM_WORLD_LOCAL_SIZE", "LOCAL_WORLD_SIZE"}) {
    if (auto count = integer_from(variable)) return *count;
  }
  return 1;
}

}  // namespace tessera::experiment
