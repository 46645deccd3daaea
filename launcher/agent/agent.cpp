#include "launcher/agent/agent.h"

#include <fmt/format.h>
#include <poll.h>

#include <utility>

#include "core/boot_clock.h"
#include "core/error.h"
#include "launcher/agent/tokens.h"
#include "launcher/job/exit_codes.h"
#include "launcher/job/utf8.h"

namespace tessera::agent {
namespace {

constexpr int kPollMs = 50;
// Twice as often as the server asks for: what a short outage of it may last
// counts from the last beat before it.
constexpr std::chrono::milliseconds kBeat{250};
// The server hears of a node's going within that time, or not at all.
constexpr int kFarewellMs = 500;

bool may_restart(const v1::Job& job) {
  return job.max_restarts() > 0 || job.max_nodes() > job.min_nodes();
}

NodeRanks::Options ranks_options(const AgentOptions& options) {
  return {.program = options.program,
          .node = options.node,
          .pmix_program = options.pmix_program,
          .bind = options.bind,
          .hang_ms = options.hang_ms,
          .may_restart = may_restart(options.job)};
}

// What a rank writes need not be UTF-8, and a message with anything else cannot
// be read.
void make_utf8(std::string& text) {
  while (auto bad = job::find_invalid_utf8(text)) text[*bad] = '?';
}

}  // namespace

Agent::Agent(AgentOptions options)
    : options_(std::move(options)),
      output_({.prefixed = options_.job.max_nodes() > 1 || options_.node.slots() > 1,
               .folder = options_.log_folder}),
      messages_(output_, options_.node.host(),
                may_restart(options_.job) || options_.job.max_nodes() > 1),
      protocol_(options_.node.slots()),
      ranks_(ranks_options(options_), folders_, output_, *this) {}

int Agent::run(const rendezvous::Endpoint& server, const rendezvous::Credentials& credentials) {
  client_.emplace(server, credentials);
  join();
  while (!exit_code_) {
    wait();
    take_signals();
    take_messages();
    ranks_.take_reports(situation());
    ranks_.bury(situation());
    act(protocol_.tick(boot_ms()));
    ranks_.look_after_time(situation());
    beat_when_due();
  }
  end_output();
  return *exit_code_;
}

void Agent::keep_token(int port, const std::string& token) const {
  folders_.keep(token_name(port), token);
}

void Agent::wait() {
  std::vector<pollfd> polled{{signals_.descriptor(), POLLIN, 0},
                             {client_->mailbox().descriptor(), POLLIN, 0}};
  if (auto descriptor = ranks_.descriptor()) polled.push_back({*descriptor, POLLIN, 0});
  poll(polled.data(), polled.size(), ranks_.are_dying() ? 1 : kPollMs);
}

void Agent::take_signals() {
  while (auto request = signals_.next(boot_ms())) {
    if (request->wish == AgentSignals::Wish::pass_on) {
      ranks_.pass_on(request->signal);
      continue;
    }
    // Ranks that wait for somebody to read what they print could not stop.
    output_.hurry();
    bool member = protocol_.membership().member() != 0;
    if (member && request->wish == AgentSignals::Wish::leave) {
      messages_.say(
          "stopping after a checkpoint; a second signal ends "
          "everything at once");
      protocol_.leave();
      beat_due_ = true;
      continue;
    }
    // The ranks end with this process.
    exit_code_ = job::exit_codes::kSignalBase + request->signal;
    if (member) client_->leave("ended by a signal", kFarewellMs);
  }
}

// Until what ranks have written is with the user; what strays hold open is
// waited for a moment.
void Agent::end_output() {
  constexpr int kLookMs = 50;
  for (int idle_ms = 0; idle_ms < kOutputEndMs && !output_.wait_for_ends(kLookMs);) {
    take_signals();
    if (!output_.waits_for_reader()) idle_ms += kLookMs;
  }
  std::string trouble = output_.trouble();
  if (trouble.empty()) return;
  output_.say(fmt::format("tessera: {}", trouble));
  if (*exit_code_ == 0) exit_code_ = 1;
}

// --- the rendezvous

void Agent::join() {
  v1::JoinRequest request;
  *request.mutable_node() = options_.node;
  *request.mutable_job() = options_.job;
  request.set_secret(random_secret());
  secret_ = request.secret();
  client_->join(std::move(request));
}

void Agent::take_messages() {
  for (const rendezvous::FromServer& message : client_->mailbox().take_all()) {
    std::visit([this](const auto& any) { take(any); }, message);
  }
}

void Agent::take(const v1::Order& order) {
  messages_.tell(order);
  act(protocol_.order(boot_ms(), order));
  ranks_.renew_lease(protocol_.lease_until());
}

void Agent::take(const rendezvous::FenceEnded& fence) {
  if (fence.generation != protocol_.generation()) return;
  ranks_.finish_fence(fence.key, fence.ok, fence.data);
}

void Agent::take(const rendezvous::TurnedAway& refusal) {
  messages_.say_error("this node cannot join: " + refusal.text);
  exit_code_ = 1;
}

void Agent::take(const rendezvous::NotYet& refusal) {
  messages_.say(fmt::format("this node cannot join yet: {}", refusal.text));
}

void Agent::beat_when_due() {
  if (!beat_due_ && Clock::now() - last_beat_ < kBeat) return;
  v1::Beat beat = protocol_.beat(boot_ms());
  if (beat.has_failure()) {
    make_utf8(*beat.mutable_failure()->mutable_text());
    make_utf8(*beat.mutable_failure()->mutable_stderr_tail());
  }
  ranks_.add_progress(beat);
  client_->beat(beat);
  last_beat_ = Clock::now();
  beat_due_ = false;
}

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
  ranks_.prepare(prepare, protocol_.membership());
  ranks_.renew_lease(protocol_.lease_until());
}

void Agent::act(const Exit& exit) {
  messages_.tell_end(exit.order);
  exit_code_ = exit.order.exit_code();
  client_->leave("the job is over", kFarewellMs);
}

// --- the ranks

NodeRanks::Situation Agent::situation() const {
  return {.running = protocol_.phase() == v1::PHASE_RUNNING, .stopping = protocol_.stopping()};
}

void Agent::ranks_ready() {
  protocol_.ready();
  beat_due_ = true;
}

void Agent::rank_ended(int code, const std::optional<v1::Failure>& failure) {
  act(protocol_.rank_ended(code, failure));
}

void Agent::ranks_failed(const v1::Failure& failure) { act(protocol_.failed(failure)); }

void Agent::lease_lapsed() { act(protocol_.lapsed()); }

void Agent::fence_entered(const from_pmix::Fence& fence) {
  v1::FenceRequest request;
  request.set_member(protocol_.membership().member());
  request.set_secret(protocol_.secret());
  request.set_generation(protocol_.generation());
  request.set_key(fence.key);
  for (int64_t node : fence.nodes) request.add_participants(static_cast<int>(node));
  request.set_data(fence.data);
  client_->fence(std::move(request));
}

void Agent::ranks_buried() {
  act(protocol_.dead());
  beat_due_ = true;
}

}  // namespace tessera::agent
