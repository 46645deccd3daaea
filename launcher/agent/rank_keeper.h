// The tessera-pmix processes of one agent: that which keeps the ranks of the generation under way,
// and one that is warm for the next.
//
// Invariant: at most one keeps ranks; when it has gone, nothing of what it started is left.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/agent/pmix_process.h"
#include "launcher/agent/private_folders.h"

namespace tessera::agent {

class RankKeeper {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    std::string pmix_program;  // tessera-pmix
    std::string node;
    int num_ranks = 1;
    int board = -1;  // a memfd for the ranks
  };

  // Starts a first one at once: it takes its time. The folders must outlive it.
  RankKeeper(Options options, const PrivateFolders& folders);
  // Kills all of them, and what they started.
  ~RankKeeper();
  RankKeeper(const RankKeeper&) = delete;
  RankKeeper& operator=(const RankKeeper&) = delete;

  // One for the next generation, if there is none, so that this need not wait for it.
  void keep_warm();
  // Takes the warm one, or a new one, to keep ranks; there must be none that does.
  void take_next();
  // Whether there is one that keeps ranks.
  bool exists() const { return current_ != nullptr; }
  // To poll for; none: there is nothing to wait for.
  std::optional<int> descriptor() const;
  // The rest is for one that exists.
  PmixProcess& current() { return *current_; }
  // Does nothing where none exists.
  void send(const ToPmix& order);
  // Sends a lease that is notably longer than the last.
  void renew_lease(int64_t until_ms);
  // Orders the end; a process that does not obey is killed by look_after_end.
  void end(Clock::time_point now);
  bool is_ending() const { return ending_since_.has_value(); }
  void look_after_end(Clock::time_point now);
  bool has_ended() { return current_ && current_->ended(); }
  // After its end: kills what it left and removes its folders.
  void bury();

 private:
  PmixProcess::Options next_options();

  Options options_;
  const PrivateFolders& folders_;
  int num_started_ = 0;
  std::unique_ptr<PmixProcess> warm_;
  std::unique_ptr<PmixProcess> current_;
  int64_t lease_told_ms_ = 0;
  std::optional<Clock::time_point> ending_since_;
};

}  // namespace tessera::agent
