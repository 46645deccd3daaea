// What is known of a node's ranks in one generation, by the reports of the process that keeps them,
// and which of their ends are failures.
//
// Invariant: only ranks of this node are in it; whatever names another one is an Error.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "launcher/agent/from_pmix.h"

namespace tessera::agent {

// What there is to say against a local rank.
struct RankFault {
  int local_rank = 0;
  std::string text;  // what it did; empty: what its exit code or signal says
  int value = 1;     // the signal, or the exit code
  bool by_signal = false;

  bool operator==(const RankFault&) const = default;
};

class LocalRanks {
 public:
  LocalRanks(int count, int first_rank);

  void take(const from_pmix::Started& started);
  void take(const from_pmix::ExecFailed& failed);
  void take(const from_pmix::Finalized& finalized);
  void take(const from_pmix::Aborted& aborted);
  // That one will wait for those that have ended already without having called MPI_Init.
  std::optional<RankFault> take(const from_pmix::Connected& connected);
  std::optional<RankFault> take(const from_pmix::NotServed& wanted);
  // stopping: the ranks were asked to stop.
  std::optional<RankFault> take(const from_pmix::Exited& exited, bool stopping);

  // By local rank; 0: has not started, or has ended.
  const std::vector<pid_t>& processes() const { return processes_; }
  bool all_started() const { return num_started_ == processes_.size(); }
  // Why the rank's program did not even begin; empty: it did.
  std::string launch_error(int local_rank) const;

 private:
  int checked(FrameType report, int local_rank) const;
  int local_rank_of(FrameType report, int rank) const;
  std::optional<RankFault> fault_of(const from_pmix::Exited& exited, bool stopping) const;

  int first_rank_;
  std::vector<pid_t> processes_;
  size_t num_started_ = 0;
  std::set<int> connected_;     // that called MPI_Init
  std::set<int> finalized_;     // that called MPI_Finalize
  std::map<int, int> aborted_;  // that called MPI_Abort, and with what
  std::set<int> ended_alone_;   // that ended well without MPI_Init, when none had called it yet
  std::map<int, std::string> launch_errors_;
};

}  // namespace tessera::agent
