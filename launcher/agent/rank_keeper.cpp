#include "launcher/agent/rank_keeper.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <utility>

#include "core/io/file_system.h"

namespace tessera::agent {
namespace {

// The lease is renewed in steps of that many milliseconds.
constexpr int64_t kLeaseStepMs = 200;
constexpr std::chrono::milliseconds kDeath{3000};

}  // namespace

RankKeeper::RankKeeper(Options options, const PrivateFolders& folders)
    : options_(std::move(options)), folders_(folders) {
  // What ranks leave behind comes to this process, which ends it.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  keep_warm();
}

RankKeeper::~RankKeeper() {
  current_.reset();
  warm_.reset();
  end_orphans({});
}

PmixProcess::Options RankKeeper::next_options() {
  int number = num_started_++;
  return {.program = options_.pmix_program,
          .session_dir = fmt::format("{}/{}", folders_.files(), number),
          .shm_dir = fmt::format("{}/{}", folders_.memory(), number),
          .agent_dirs = {folders_.files(), folders_.memory()},
          .node = options_.node,
          .num_ranks = options_.num_ranks,
          .board = options_.board,
          .gives_stdin = number == 0 && isatty(STDIN_FILENO) == 0,
          .log = fmt::format("{}/{}.log", folders_.files(), number)};
}

void RankKeeper::keep_warm() {
  if (!warm_) warm_ = std::make_unique<PmixProcess>(next_options());
}

void RankKeeper::take_next() {
  if (warm_ && warm_->ended()) warm_.reset();
  keep_warm();
  current_ = std::move(warm_);
  lease_told_ms_ = 0;
  ending_since_.reset();
}

std::optional<int> RankKeeper::descriptor() const {
  if (!current_ || current_->is_closed()) return std::nullopt;
  return current_->descriptor();
}

void RankKeeper::send(const ToPmix& order) {
  if (current_) current_->send(order);
}

void RankKeeper::renew_lease(int64_t until_ms) {
  if (!current_ || until_ms < lease_told_ms_ + kLeaseStepMs) return;
  lease_told_ms_ = until_ms;
  current_->send(to_pmix::Lease{until_ms});
}

void RankKeeper::end(Clock::time_point now) {
  ending_since_ = now;
  send(to_pmix::End{});
}

void RankKeeper::look_after_end(Clock::time_point now) {
  if (current_ && ending_since_ && now - *ending_since_ > kDeath) current_->kill();
}

void RankKeeper::bury() {
  ending_since_.reset();
  end_orphans(warm_ ? std::vector<pid_t>{warm_->pid()} : std::vector<pid_t>{});
  for (const std::string& folder : {current_->session_dir(), current_->shm_dir()}) {
    if (FileSystem::real().kind(folder) != FileKind::none) FileSystem::real().remove_all(folder);
  }
  current_.reset();
}

}  // namespace tessera::agent
