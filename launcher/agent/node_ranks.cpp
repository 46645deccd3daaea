#include "launcher/agent/node_ranks.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/boot_clock.h"
#include "core/error.h"
#include "core/io/file_system.h"
#include "launcher/agent/failures.h"

namespace tessera::agent {
namespace {

using std::chrono::milliseconds;

// After so long ranks have done with starting, and there is time for the process of the next
// generation.
constexpr milliseconds kWarmAfter{1500};
// The others of a rank that failed live on for so long at most.
constexpr int kStderrMs = 50;

Descriptor make_board(int places) {
  Descriptor board(memfd_create("tessera-board", MFD_CLOEXEC));
  auto bytes = static_cast<off_t>(job::ProgressBoard::kPlaceBytes) * places;
  TESSERA_CHECK(board.is_open() && ftruncate(board.get(), bytes) == 0,
                "cannot make memory to share with the ranks: {}", std::strerror(errno));
  return board;
}

}  // namespace

NodeRanks::NodeRanks(Options options, const PrivateFolders& folders, RankOutput& output,
                     Listener& listener)
    : options_(std::move(options)),
      folders_(folders),
      output_(output),
      listener_(listener),
      board_memory_(make_board(options_.node.slots())),
      board_(board_memory_.get(), static_cast<size_t>(options_.node.slots())),
      keeper_({.pmix_program = options_.pmix_program,
               .node = options_.node.host(),
               .num_ranks = options_.node.slots(),
               .board = board_memory_.get()},
              folders),
      stop_(SIGTERM) {
  FileSystem::real().make_directories(folders_.memory() + "/snapshots");
}

// --- what they have to do

void NodeRanks::prepare(const Prepare& prepare, const v1::JoinReply& membership) {
  stop_.forget();
  board_.clear();
  keeper_.take_next();
  environment_ = {.plan = prepare.plan,
                  .place = prepare.place,
                  .job_id = membership.job_id(),
                  .started_at = membership.started_at(),
                  .shared_memory = keeper_.current().shm_dir(),
                  .snapshots = options_.may_restart ? folders_.memory() + "/snapshots" : "",
                  .bind = options_.bind};
  local_.emplace(options_.node.slots(), environment_.first_rank());
  hangs_.reset();
  if (options_.hang_ms > 0) hangs_.emplace(local_->processes().size(), options_.hang_ms);
  keeper_.send(layout(prepare, membership));
  send_program();
}

to_pmix::Prepare NodeRanks::layout(const Prepare& prepare, const v1::JoinReply& membership) const {
  to_pmix::Prepare order;
  order.nspace = fmt::format("tessera-{}.{}", membership.ranks_secret(), prepare.plan.generation());
  int64_t rank = 0;
  for (const v1::Node& node : prepare.plan.nodes()) {
    order.nodes.push_back(node.host());
    auto& ranks = order.ranks.emplace_back();
    for (int i = 0; i < node.slots(); ++i) ranks.push_back(rank++);
  }
  order.world_size = prepare.plan.world_size();
  order.first_rank = environment_.first_rank();
  order.node_index = prepare.place;
  return order;
}

void NodeRanks::send_program() {
  keeper_.send(to_pmix::Program{std::filesystem::current_path().string(), options_.program,
                                environment_.common(own_environment())});
  for (int local = 0; local < options_.node.slots(); ++local) {
    keeper_.send(to_pmix::Rank{local, environment_.cores_of(local), environment_.of(local)});
    PmixProcess::Outputs outputs = keeper_.current().take_outputs(local);
    output_.add(environment_.first_rank() + local, std::move(outputs.out), std::move(outputs.err));
  }
}

void NodeRanks::start() {
  started_ = Clock::now();
  stop_.begin(started_);
  keeper_.send(to_pmix::Start{});
}

void NodeRanks::kill() {
  stop_.forget();
  keeper_.end(Clock::now());
}

void NodeRanks::finish_fence(const std::string& key, bool ok, const std::string& data) {
  constexpr int kLostConnection = -61;  // PMIX_ERR_LOST_CONNECTION
  keeper_.send(to_pmix::FenceDone{key, ok ? 0 : kLostConnection, data});
}

// --- what becomes of them

void NodeRanks::take_reports(const Situation& situation) {
  if (!keeper_.exists()) return;
  try {
    for (const FromPmix& report : keeper_.current().receive()) {
      std::visit([&](const auto& any) { take(any, situation.stopping); }, report);
    }
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

void NodeRanks::take(const from_pmix::Exited& exited, bool stopping) {
  std::optional<v1::Failure> failure;
  if (auto fault = local_->take(exited, stopping)) failure = failure_of(*fault);
  listener_.rank_ended(exited.by_signal ? -1 : exited.value, failure);
}

// Open MPI asks for it only when it was told not to exchange everything at the start.
void NodeRanks::take(const from_pmix::ModexWanted& wanted, bool) {
  constexpr int kNotFound = -46;  // PMIX_ERR_NOT_FOUND
  keeper_.send(to_pmix::ModexDone{wanted.id, kNotFound, ""});
}

void NodeRanks::bury(const Situation& situation) {
  if (!keeper_.has_ended()) return;
  // It may have said why since they were last read.
  take_reports(situation);
  if (!keeper_.is_ending()) {
    fail("tessera-pmix, which keeps the ranks, has ended. " + keeper_.current().last_words());
  }
  keeper_.bury();
  // Of a user who does not read, the server must not be kept waiting: what there is stays for
  // later.
  if (!output_.wait_for_ends(kOutputEndMs) && !output_.waits_for_reader()) output_.drop_all();
  listener_.ranks_buried();
}

void NodeRanks::look_after_time(const Situation& situation) {
  Clock::time_point now = Clock::now();
  keeper_.look_after_end(now);
  bool settled = situation.running && now - started_ > kWarmAfter;
  if (settled && options_.may_restart) keeper_.keep_warm();
  if (situation.running && !situation.stopping) look_for_hangs();
  if (local_ && stop_.is_due(local_->processes(), local_->all_started(), now)) pass_on(SIGTERM);
}

void NodeRanks::look_for_hangs() {
  if (!hangs_) return;
  const Hang* hang = hangs_->look(board_, local_->processes(), boot_ms());
  if (!hang) return;
  int rank = environment_.first_rank() + static_cast<int>(hang->place);
  listener_.ranks_failed(
      hang_failure(*hang, rank, options_.node.host(), output_.stderr_tail(rank)));
}

void NodeRanks::add_progress(v1::Beat& beat) const {
  if (!local_) return;
  const std::vector<pid_t>& processes = local_->processes();
  for (size_t place = 0; place < processes.size(); ++place) {
    job::RankProgress progress = board_.read(place);
    v1::Progress& entry = *beat.add_progress();
    entry.set_rank(environment_.first_rank() + static_cast<int>(place));
    entry.set_process(processes[place]);
    entry.set_step(progress.steps);
    entry.set_throughput(progress.throughput);
    entry.set_collective(progress.call);
  }
}

v1::Failure NodeRanks::failure_of(const RankFault& fault) {
  int rank = environment_.first_rank() + fault.local_rank;
  output_.wait_for_stderr(rank, kStderrMs);
  v1::Failure failure = rank_failure(
      {.rank = rank,
       .host = options_.node.host(),
       .by_signal = fault.by_signal,
       .value = fault.value,
       .after_ms = std::chrono::duration_cast<milliseconds>(Clock::now() - started_).count(),
       .launch_error = local_->launch_error(fault.local_rank),
       .stderr_tail = output_.stderr_tail(rank)});
  if (!fault.text.empty()) {
    failure.set_text(fmt::format("rank {} on {} {}", rank, options_.node.host(), fault.text));
  }
  return failure;
}

void NodeRanks::tell(const std::optional<RankFault>& fault) {
  if (fault) listener_.ranks_failed(failure_of(*fault));
}

void NodeRanks::fail(const std::string& text) {
  listener_.ranks_failed(launch_failure(options_.node.host(), text));
}

}  // namespace tessera::agent
