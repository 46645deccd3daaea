#include "launcher/agent/local_ranks.h"

#include <fmt/format.h>

#include "launcher/job/exit_codes.h"

namespace tessera::agent {
namespace {

constexpr const char* kWithoutInit = "ended without MPI_Init, which others have called";

}  // namespace

LocalRanks::LocalRanks(int count, int first_rank)
    : first_rank_(first_rank), processes_(static_cast<size_t>(count), 0) {}

int LocalRanks::checked(FrameType report, int local_rank) const {
  if (local_rank < 0 || static_cast<size_t>(local_rank) >= processes_.size()) {
    fail_frame(report, "local_index", fmt::format("one of {} ranks", processes_.size()),
               fmt::format("{}", local_rank));
  }
  return local_rank;
}

int LocalRanks::local_rank_of(FrameType report, int rank) const {
  return checked(report, rank - first_rank_);
}

void LocalRanks::take(const from_pmix::Started& started) {
  int local = checked(started.kType, started.local_index);
  processes_[static_cast<size_t>(local)] = started.process;
  ++num_started_;
}

void LocalRanks::take(const from_pmix::ExecFailed& failed) {
  launch_errors_[checked(failed.kType, failed.local_index)] = failed.text;
}

void LocalRanks::take(const from_pmix::Finalized& finalized) {
  finalized_.insert(local_rank_of(finalized.kType, finalized.rank));
}

void LocalRanks::take(const from_pmix::Aborted& aborted) {
  aborted_[local_rank_of(aborted.kType, aborted.rank)] = aborted.status;
}

std::optional<RankFault> LocalRanks::take(const from_pmix::Connected& connected) {
  connected_.insert(local_rank_of(connected.kType, connected.rank));
  if (ended_alone_.empty()) return std::nullopt;
  return RankFault{*ended_alone_.begin(), kWithoutInit};
}

std::optional<RankFault> LocalRanks::take(const from_pmix::NotServed& wanted) {
  return RankFault{
      local_rank_of(wanted.kType, wanted.rank),
      fmt::format("called {}, which tessera launch does not serve: mpirun of Open MPI does",
                  wanted.call)};
}

std::optional<RankFault> LocalRanks::take(const from_pmix::Exited& exited, bool stopping) {
  int local = checked(exited.kType, exited.local_index);
  processes_[static_cast<size_t>(local)] = 0;
  std::optional<RankFault> fault = fault_of(exited, stopping);
  if (!fault && exited.value == 0 && !connected_.contains(local)) ended_alone_.insert(local);
  return fault;
}

std::optional<RankFault> LocalRanks::fault_of(const from_pmix::Exited& exited,
                                              bool stopping) const {
  int local = exited.local_index;
  int value = exited.value;
  // Of a code that is 0 there is nothing to see in the job's own.
  int visible = value == 0 ? 1 : value;
  bool well = !exited.by_signal && (value == 0 || value == job::exit_codes::kStopped);
  auto aborted = aborted_.find(local);
  if (aborted != aborted_.end() && !exited.by_signal) {
    // Of its code only the last byte is left, which may be 0.
    return RankFault{local, fmt::format("called MPI_Abort with code {}", aborted->second), visible};
  }
  if (!well) return RankFault{local, "", value, exited.by_signal};
  // Others wait for it in what is a collective of all: a program that calls MPI_Init on some ranks
  // only, or by another library, or that ends without MPI_Finalize.
  bool stops = value == job::exit_codes::kStopped && stopping;
  if (connected_.contains(local) && !finalized_.contains(local) && !stops) {
    return RankFault{local, fmt::format("ended with code {} without MPI_Finalize", value), visible};
  }
  if (value == 0 && !connected_.empty() && !connected_.contains(local)) {
    return RankFault{local, kWithoutInit};
  }
  return std::nullopt;
}

std::string LocalRanks::launch_error(int local_rank) const {
  auto found = launch_errors_.find(local_rank);
  return found == launch_errors_.end() ? "" : found->second;
}

}  // namespace tessera::agent
