#include "launcher/agent/agent.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <random>

#include "core/boot_clock.h"
#include "core/error.h"
#include "core/io/file_system.h"
#include "core/printable.h"
#include "launcher/agent/failures.h"
#include "launcher/agent/signal_fate.h"
#include "launcher/experiment/utf8.h"
#include "launcher/job/exit_codes.h"
#include "launcher/rendezvous/coordinator.h"

namespace tessera::agent {
namespace {

using std::chrono::milliseconds;

constexpr int kPollMs = 50;
// Twice as often as the server asks for: what a short outage of it may last counts from the last
// beat before it.
constexpr milliseconds kBeat{250};
// The lease of the process that keeps the ranks is renewed in steps of that many milliseconds.
constexpr Millis kLeaseStep = 200;
constexpr milliseconds kDeath{3000};
constexpr milliseconds kWarmAfter{1500};
constexpr milliseconds kStackTime{300};
// Ranks that do not watch for a signal so long after their start will not.
constexpr milliseconds kHearing{5000};
// Who blocks a signal for so long means to.
constexpr milliseconds kHeld{500};
constexpr size_t kSecretBytes = 32;

sigset_t agent_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGCHLD}) {
    sigaddset(&set, signal);
  }
  // nohup wants a job to outlive its terminal; blocked, an ignored signal would be seen all the
  // same.
  struct sigaction action {};
  bool ignored = sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
  if (ignored) sigdelset(&set, SIGHUP);
  return set;
}

std::string random_secret() {
  std::random_device random;
  std::string secret;
  while (secret.size() < kSecretBytes) {
    uint32_t word = random();
    secret.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return secret;
}

std::string token_file(int port) { return fmt::format("token-{}", port); }

Descriptor make_board(int places) {
  Descriptor board(memfd_create("tessera-board", MFD_CLOEXEC));
  auto bytes = static_cast<off_t>(experiment::ProgressBoard::kPlaceBytes) * places;
  TESSERA_CHECK(board.is_open() && ftruncate(board.get(), bytes) == 0,
                "cannot make memory to share with the ranks: {}", std::strerror(errno));
  return board;
}

// What a rank writes need not be UTF-8, and a message with anything else cannot be read.
void make_utf8(std::string& text) {
  while (auto bad = experiment::find_invalid_utf8(text)) text[*bad] = '?';
}

}  // namespace

void block_agent_signals() {
  sigset_t set = agent_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

std::string make_token() {
  std::string token;
  for (char byte : random_secret()) {
    token += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return token;
}

std::string find_token(int port) { return PrivateFolders::find(token_file(port)); }

Agent::Agent(AgentOptions options)
    : options_(std::move(options)),
      board_memory_(make_board(options_.node.slots())),
      board_(board_memory_.get(), static_cast<size_t>(options_.node.slots())),
      output_({.prefixed = options_.job.max_nodes() > 1 || options_.node.slots() > 1,
               .folder = options_.log_folder}),
      protocol_(options_.node.slots()) {
  sigset_t set = agent_signals();
  signals_ = Descriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  TESSERA_CHECK(signals_.is_open(), "cannot watch signals: {}", std::strerror(errno));
  // What ranks leave behind comes to this process, which ends it.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  FileSystem::real().make_directories(folders_.memory() + "/snapshots");
  warm_ = std::make_unique<PmixProcess>(pmix_options());
}

Agent::~Agent() {
  std::vector<pid_t> none;
  ranks_.reset();
  warm_.reset();
  end_orphans(none);
}

int Agent::run(const rendezvous::Endpoint& server, const rendezvous::Credentials& credentials) {
  client_.emplace(server, credentials);
  join();
  while (!exit_code_) {
    wait();
    take_signals();
    take_messages();
    take_reports();
    bury();
    look_after_time();
  }
  end_output();
  return *exit_code_;
}

void Agent::keep_token(int port, const std::string& token) const {
  folders_.keep(token_file(port), token);
}

// Until what ranks have written is with the user; what strays hold open is waited for a moment.
void Agent::await_output() {
  constexpr int kLookMs = 50;
  for (int idle_ms = 0; idle_ms < kOutputEndMs && !output_.wait_for_ends(kLookMs);) {
    take_signals();
    if (!output_.waits_for_reader()) idle_ms += kLookMs;
  }
}

void Agent::end_output() {
  await_output();
  std::string trouble = output_.trouble();
  if (trouble.empty()) return;
  output_.say(fmt::format("tessera: {}", trouble));
  if (*exit_code_ == 0) exit_code_ = 1;
}

void Agent::wait() {
  std::vector<pollfd> polled{{signals_.get(), POLLIN, 0},
                             {client_->mailbox().descriptor(), POLLIN, 0}};
  if (ranks_ && !ranks_->is_closed()) polled.push_back({ranks_->descriptor(), POLLIN, 0});
  poll(polled.data(), polled.size(), dying_since_ ? 1 : kPollMs);
}

PmixProcess::Options Agent::pmix_options() {
  int number = num_processes_++;
  return {.program = options_.pmix_program,
          .session_dir = fmt::format("{}/{}", folders_.files(), number),
          .shm_dir = fmt::format("{}/{}", folders_.memory(), number),
          .agent_dirs = {folders_.files(), folders_.memory()},
          .node = options_.node.host(),
          .num_ranks = options_.node.slots(),
          .board = board_memory_.get(),
          .gives_stdin = number == 0 && isatty(STDIN_FILENO) == 0,
          .log = fmt::format("{}/{}.log", folders_.files(), number)};
}

// --- the server

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

void Agent::take(const rendezvous::Joined& joined) { protocol_.joined(joined.reply, secret_); }

void Agent::take(const v1::Order& order) {
  if (!order.reason().empty() && order.kind() != v1::Order::KIND_FINISH &&
      order.reason() != told_) {
    told_ = order.reason();
    // Where nothing comes after it, the job's end says the same.
    bool tells = may_restart() || options_.job.max_nodes() > 1;
    if (order.kind() == v1::Order::KIND_END && tells && told_ != rendezvous::kAllEnded) {
      say(fmt::format("generation {} ends: {}", order.generation(), told_));
    }
    if (order.kind() == v1::Order::KIND_WAIT && order.generation() > 0) say(told_);
  }
  act(protocol_.order(boot_ms(), order));
  send_lease();
}

void Agent::take(const rendezvous::FenceEnded& fence) {
  if (!ranks_ || fence.generation != protocol_.generation()) return;
  constexpr int kLostConnection = -61;  // PMIX_ERR_LOST_CONNECTION
  ranks_->send(to_pmix::FenceDone{fence.key, fence.ok ? 0 : kLostConnection, fence.data});
}

void Agent::take(const rendezvous::TurnedAway& refusal) {
  output_.say("tessera: this node cannot join: " + printable_lines(refusal.text));
  exit_code_ = 1;
}

void Agent::take(const rendezvous::NotYet& refusal) {
  say(fmt::format("this node cannot join yet: {}", refusal.text));
}

void Agent::send_beat() {
  v1::Beat beat = protocol_.beat(boot_ms());
  if (beat.has_failure()) {
    make_utf8(*beat.mutable_failure()->mutable_text());
    make_utf8(*beat.mutable_failure()->mutable_stderr_tail());
  }
  for (size_t place = 0; place < processes_.size(); ++place) {
    experiment::RankProgress progress = board_.read(place);
    v1::Progress& entry = *beat.add_progress();
    entry.set_rank(environment_.first_rank() + static_cast<int>(place));
    entry.set_process(processes_[place]);
    entry.set_step(progress.steps);
    entry.set_throughput(progress.throughput);
    entry.set_collective(progress.call);
  }
  client_->beat(beat);
  last_beat_ = Clock::now();
  beat_due_ = false;
}

void Agent::send_lease() {
  if (!ranks_ || protocol_.lease_until() < lease_told_ + kLeaseStep) return;
  lease_told_ = protocol_.lease_until();
  ranks_->send(to_pmix::Lease{lease_told_});
}

void Agent::look_after_time() {
  act(protocol_.tick(boot_ms()));
  if (dying_since_ && ranks_ && Clock::now() - *dying_since_ > kDeath) ranks_->kill();
  keep_one_warm();
  look_for_hangs();
  if (stop_due_) stop_when_heard();
  if (beat_due_ || Clock::now() - last_beat_ >= kBeat) send_beat();
}

bool Agent::may_restart() const {
  return options_.job.max_restarts() > 0 || options_.job.max_nodes() > options_.job.min_nodes();
}

// So that the next generation need not wait for a PMIx server to come up.
void Agent::keep_one_warm() {
  bool settled = protocol_.phase() == v1::PHASE_RUNNING && Clock::now() - started_ > kWarmAfter;
  if (warm_ || !settled || !may_restart()) return;
  warm_ = std::make_unique<PmixProcess>(pmix_options());
}

void Agent::look_for_hangs() {
  if (!hangs_ || protocol_.phase() != v1::PHASE_RUNNING || protocol_.stopping()) return;
  if (hang_) {
    // The ranks have had the time to print their stacks.
    if (Clock::now() - hang_since_ <= kStackTime) return;
    int rank = environment_.first_rank() + static_cast<int>(hang_->place);
    act(protocol_.failed(
        hang_failure(*hang_, rank, options_.node.host(), output_.stderr_tail(rank))));
    return;
  }
  hang_ = hangs_->look(board_, processes_, boot_ms());
  if (!hang_) return;
  hang_since_ = Clock::now();
  pid_t process = processes_[hang_->place];
  // Its main thread is the one that trains.
  if (process > 0) tgkill(process, process, SIGUSR2);
}

bool Agent::ranks_hear(int signal) {
  if (num_started_ != processes_.size()) return false;
  bool held = false;
  for (pid_t process : processes_) {
    if (process <= 0) continue;
    SignalFate fate = fate_of(process, signal);
    if (fate == SignalFate::dies) {
      held_since_.reset();
      return false;
    }
    held = held || fate == SignalFate::holds;
  }
  if (!held) return true;
  if (!held_since_) held_since_ = Clock::now();
  return Clock::now() - *held_since_ >= kHeld;
}

// A rank that has only just begun would die of the signal instead of saving a checkpoint, and the
// others would wait for it.
void Agent::stop_when_heard() {
  if (!ranks_hear(SIGTERM) && Clock::now() - started_ < kHearing) return;
  stop_due_ = false;
  if (ranks_) ranks_->send(to_pmix::Signal{SIGTERM});
}

// --- the user

void Agent::say(const std::string& text) {
  output_.say("tessera launch: " + printable_lines(text));
}

void Agent::tell_end(const v1::Order& order) {
  if (!order.has_failure()) {
    if (order.exit_code() != 0) say(order.reason());
    return;
  }
  const v1::Failure& failure = order.failure();
  output_.say("tessera: " + printable_lines(failure.text()));
  // What ranks of this node have said is here already.
  if (failure.stderr_tail().empty() || failure.host() == options_.node.host()) return;
  output_.say("The end of its standard error:");
  const std::string& tail = failure.stderr_tail();
  for (size_t begin = 0; begin < tail.size();) {
    size_t end = std::min(tail.find('\n', begin), tail.size());
    output_.say("  " + tail.substr(begin, end - begin));
    begin = end + 1;
  }
}

void Agent::take_signals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    auto signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) continue;
    if (signal == SIGUSR1 || signal == SIGUSR2) {
      if (ranks_) ranks_->send(to_pmix::Signal{signal});
    } else {
      pid_t sender = info.ssi_code <= 0 ? static_cast<pid_t>(info.ssi_pid) : 0;
      ask_to_leave({signal, sender, static_cast<long>(boot_ms())});
    }
  }
}

void Agent::ask_to_leave(const StopRequest& request) {
  if (asked_to_leave_ && is_same_request(*asked_to_leave_, request)) return;
  bool member = protocol_.membership().member() != 0;
  // Ranks that wait for somebody to read what they print could not stop.
  output_.hurry();
  if (asked_to_leave_ || !member) {
    // At once, then. The ranks end with this process.
    exit_code_ = exit_codes::kSignalBase + request.signal;
    if (member) client_->leave("ended by a signal", 500);
    return;
  }
  asked_to_leave_ = request;
  say("stopping after a checkpoint; a second signal ends everything at once");
  protocol_.leave();
  beat_due_ = true;
}

}  // namespace tessera::agent
