// What an agent does with its ranks: prepares, starts and ends them by way of the process that
// keeps them, and takes what that reports.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/boot_clock.h"
#include "core/io/file_system.h"
#include "launcher/agent/agent.h"
#include "launcher/agent/failures.h"
#include "launcher/job/exit_codes.h"

namespace tessera::agent {
namespace {

using std::chrono::milliseconds;

// The others of a rank that failed live on for so long at most.
constexpr int kStderrMs = 50;
constexpr const char* kWithoutInit = "ended without MPI_Init, which others have called";

}  // namespace

// --- what the protocol decides

void Agent::act(const Actions& actions) {
  v1::Phase phase = protocol_.phase();
  for (const Action& action : actions) {
    std::visit([this](const auto& any) { act(any); }, action);
  }
  beat_due_ = beat_due_ || !actions.empty() || protocol_.phase() != phase;
}

void Agent::act(const Prepare& prepare) {
  client_->forget_fences();
  connected_.clear();
  finalized_.clear();
  aborted_.clear();
  ended_alone_.clear();
  launch_errors_.clear();
  processes_.assign(static_cast<size_t>(options_.node.slots()), 0);
  num_started_ = 0;
  stop_due_ = false;
  board_.clear();
  if (options_.hang_ms > 0) hangs_.emplace(processes_.size(), options_.hang_ms);
  hang_.reset();
  if (warm_ && warm_->ended()) warm_.reset();
  ranks_ = warm_ ? std::move(warm_) : std::make_unique<PmixProcess>(pmix_options());
  environment_ = {.plan = prepare.plan,
                  .place = prepare.place,
                  .job_id = protocol_.membership().job_id(),
                  .started_at = protocol_.membership().started_at(),
                  .shared_memory = ranks_->shm_dir(),
                  .snapshots = may_restart() ? folders_.memory() + "/snapshots" : "",
                  .bind = options_.bind};
  ranks_->send(layout_order(prepare));
  send_program();
  lease_told_ = 0;
  send_lease();
}

to_pmix::Prepare Agent::layout_order(const Prepare& prepare) const {
  to_pmix::Prepare order;
  order.nspace = fmt::format("tessera-{}.{}", protocol_.membership().ranks_secret(),
                             prepare.plan.generation());
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

void Agent::send_program() {
  ranks_->send(to_pmix::Program{std::filesystem::current_path().string(), options_.program,
                                environment_.common(own_environment())});
  for (int local = 0; local < options_.node.slots(); ++local) {
    ranks_->send(to_pmix::Rank{local, environment_.cores_of(local), environment_.of(local)});
    PmixProcess::Outputs outputs = ranks_->take_outputs(local);
    output_.add(environment_.first_rank() + local, std::move(outputs.out), std::move(outputs.err));
  }
}

void Agent::act(const Start&) {
  started_ = Clock::now();
  held_since_.reset();
  ranks_->send(to_pmix::Start{});
}

void Agent::act(const Kill&) {
  stop_due_ = false;
  dying_since_ = Clock::now();
  ranks_->send(to_pmix::End{});
}

void Agent::act(const Exit& exit) {
  tell_end(exit.order);
  exit_code_ = exit.order.exit_code();
  client_->leave("the job is over", 500);
}

// When the process that kept the ranks has gone, nothing of them may be left.
void Agent::bury() {
  if (!ranks_ || !ranks_->ended()) return;
  // It may have said why since they were last read.
  take_reports();
  if (!dying_since_) {
    act(protocol_.failed(
        launch_failure("tessera-pmix, which keeps the ranks, has ended. " + ranks_->last_words())));
  }
  dying_since_.reset();
  end_orphans(warm_ ? std::vector<pid_t>{warm_->pid()} : std::vector<pid_t>{});
  for (const std::string& folder : {ranks_->session_dir(), ranks_->shm_dir()}) {
    if (FileSystem::real().kind(folder) != FileKind::none) FileSystem::real().remove_all(folder);
  }
  ranks_.reset();
  // Of a user who does not read, the server must not be kept waiting: what there is stays for
  // later.
  if (!output_.wait_for_ends(kOutputEndMs) && !output_.waits_for_reader()) output_.drop_all();
  act(protocol_.dead());
  beat_due_ = true;
}

// --- the ranks

void Agent::take_reports() {
  if (!ranks_) return;
  try {
    for (const FromPmix& report : ranks_->receive()) {
      std::visit([this](const auto& any) { take(any); }, report);
    }
  } catch (const std::exception& error) {
    act(protocol_.failed(launch_failure(error.what())));
  }
}

void Agent::take(const from_pmix::Ready&) {
  protocol_.ready();
  beat_due_ = true;
}

void Agent::take(const from_pmix::Started& started) {
  processes_.at(static_cast<size_t>(started.local_index)) = started.process;
  ++num_started_;
}

void Agent::take(const from_pmix::ExecFailed& failed) {
  launch_errors_[failed.local_index] = failed.text;
}

void Agent::take(const from_pmix::Connected& connected) {
  connected_.insert(local_rank_of(connected.rank));
  // It will wait for those that have ended already.
  if (!ended_alone_.empty())
    act(protocol_.failed(end_failure(*ended_alone_.begin(), kWithoutInit)));
}

void Agent::take(const from_pmix::Finalized& finalized) {
  finalized_.insert(local_rank_of(finalized.rank));
}

void Agent::take(const from_pmix::Aborted& aborted) {
  aborted_[local_rank_of(aborted.rank)] = aborted.status;
}

void Agent::take(const from_pmix::Exited& exited) {
  int local = exited.local_index;
  processes_.at(static_cast<size_t>(local)) = 0;
  std::optional<v1::Failure> failure = failure_of(local, exited.by_signal, exited.value);
  if (!failure && exited.value == 0 && !connected_.contains(local)) ended_alone_.insert(local);
  act(protocol_.rank_ended(exited.by_signal ? -1 : exited.value, failure));
}

void Agent::take(const from_pmix::Fence& fence) {
  v1::FenceRequest request;
  request.set_member(protocol_.membership().member());
  request.set_secret(protocol_.secret());
  request.set_generation(protocol_.generation());
  request.set_key(fence.key);
  for (int64_t node : fence.nodes) request.add_participants(static_cast<int>(node));
  request.set_data(fence.data);
  client_->fence(std::move(request));
}

void Agent::take(const from_pmix::Failed& failed) {
  act(protocol_.failed(launch_failure(failed.text)));
}

void Agent::take(const from_pmix::NotServed& wanted) {
  act(protocol_.failed(end_failure(
      local_rank_of(wanted.rank),
      fmt::format("called {}, which tessera launch does not serve: mpirun of Open MPI does",
                  wanted.call))));
}

// Open MPI asks for it only when it was told not to exchange everything at the start.
void Agent::take(const from_pmix::ModexWanted& wanted) {
  constexpr int kNotFound = -46;  // PMIX_ERR_NOT_FOUND
  ranks_->send(to_pmix::ModexDone{wanted.id, kNotFound, ""});
}

int Agent::local_rank_of(int rank) const { return rank - environment_.first_rank(); }

// What there is to say against a rank's end; nothing where all is well.
std::optional<v1::Failure> Agent::failure_of(int local, bool by_signal, int value) {
  bool well = !by_signal && (value == 0 || value == exit_codes::kStopped);
  auto aborted = aborted_.find(local);
  if (aborted != aborted_.end() && !by_signal) {
    // Of its code only the last byte is left, which may be 0.
    return end_failure(local, fmt::format("called MPI_Abort with code {}", aborted->second),
                       value == 0 ? 1 : value);
  }
  if (!well) return end_failure(local, "", value, by_signal);
  // Others wait for it in what is a collective of all: a program that calls MPI_Init on some ranks
  // only, or by another library, or that ends without MPI_Finalize.
  bool stops = value == exit_codes::kStopped && protocol_.stopping();
  if (connected_.contains(local) && !finalized_.contains(local) && !stops) {
    return end_failure(local, fmt::format("ended with code {} without MPI_Finalize", value),
                       value == 0 ? 1 : value);
  }
  if (value == 0 && !connected_.empty() && !connected_.contains(local)) {
    return end_failure(local, kWithoutInit);
  }
  return std::nullopt;
}

// text: what the rank did; empty: what its exit code or signal says.
v1::Failure Agent::end_failure(int local, const std::string& text, int value, bool by_signal) {
  int rank = environment_.first_rank() + local;
  auto launch_error = launch_errors_.find(local);
  output_.wait_for_stderr(rank, kStderrMs);
  v1::Failure failure = rank_failure(
      {.rank = rank,
       .host = options_.node.host(),
       .by_signal = by_signal,
       .value = value,
       .after_ms = std::chrono::duration_cast<milliseconds>(Clock::now() - started_).count(),
       .launch_error = launch_error == launch_errors_.end() ? "" : launch_error->second,
       .stderr_tail = output_.stderr_tail(rank)});
  if (!text.empty()) {
    failure.set_text(fmt::format("rank {} on {} {}", rank, options_.node.host(), text));
  }
  return failure;
}

v1::Failure Agent::launch_failure(const std::string& text) const {
  return agent::launch_failure(options_.node.host(), text);
}

}  // namespace tessera::agent
