#include "launcher/agent/agent.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>

#include "core/boot_clock.h"
#include "core/error.h"
#include "core/io/file_system.h"
#include "launcher/agent/failures.h"
#include "launcher/agent/signal_fate.h"
#include "launcher/experiment/utf8.h"
#include "launcher/rendezvous/machine.h"

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
constexpr int kOutputEndMs = 500;
// The others of a rank that failed live on for so long at most.
constexpr int kStderrMs = 50;
constexpr int kSignalBase = 128;
constexpr size_t kSecretBytes = 32;

sigset_t agent_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD}) sigaddset(&set, signal);
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

int number_in(const std::string& text) { return std::stoi(text); }

}  // namespace

void block_agent_signals() {
  sigset_t set = agent_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Agent::Agent(AgentOptions options)
    : options_(std::move(options)),
      board_memory_(make_board(options_.node.slots())),
      board_(board_memory_.get(), static_cast<size_t>(options_.node.slots())),
      output_({.prefixed = options_.job.max_nodes() > 1 || options_.node.slots() > 1,
               .folder = options_.log_folder}),
      machine_(options_.node.slots()) {
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
  output_.wait_for_ends(kOutputEndMs);
  return *exit_code_;
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

void Agent::take(const rendezvous::Joined& joined) { machine_.joined(joined.reply, secret_); }

void Agent::take(const v1::Order& order) {
  if (!order.reason().empty() && order.kind() != v1::Order::KIND_FINISH &&
      order.reason() != told_) {
    told_ = order.reason();
    if (order.kind() == v1::Order::KIND_END && told_ != rendezvous::kAllEnded) {
      say(fmt::format("generation {} ends: {}", order.generation(), told_));
    }
  }
  act(machine_.order(boot_ms(), order));
  send_lease();
}

void Agent::take(const rendezvous::FenceEnded& fence) {
  if (!ranks_ || fence.generation != machine_.generation()) return;
  constexpr int kLostConnection = -61;  // PMIX_ERR_LOST_CONNECTION
  std::string status = std::to_string(fence.ok ? 0 : kLostConnection);
  ranks_->send({FrameType::fence_done, {fence.key, status, fence.data}});
}

void Agent::take(const rendezvous::TurnedAway& refusal) {
  fmt::print(stderr, "tessera: this node cannot join: {}\n", refusal.text);
  exit_code_ = 1;
}

void Agent::take(const rendezvous::NotYet& refusal) {
  say(fmt::format("this node cannot join yet: {}", refusal.text));
}

void Agent::send_beat() {
  v1::Beat beat = machine_.beat(boot_ms());
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
  if (!ranks_ || machine_.lease_until() < lease_told_ + kLeaseStep) return;
  lease_told_ = machine_.lease_until();
  ranks_->send({FrameType::lease, {std::to_string(lease_told_)}});
}

void Agent::look_after_time() {
  act(machine_.tick(boot_ms()));
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
  bool settled = machine_.phase() == v1::PHASE_RUNNING && Clock::now() - started_ > kWarmAfter;
  if (warm_ || !settled || !may_restart()) return;
  warm_ = std::make_unique<PmixProcess>(pmix_options());
}

void Agent::look_for_hangs() {
  if (!hangs_ || machine_.phase() != v1::PHASE_RUNNING || machine_.stopping()) return;
  if (hang_) {
    // The ranks have had the time to print their stacks.
    if (Clock::now() - hang_since_ <= kStackTime) return;
    int rank = environment_.first_rank() + static_cast<int>(hang_->place);
    act(machine_.failed(
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

// A rank that has only just begun would die of the signal instead of saving a checkpoint, and the
// others would wait for it.
void Agent::stop_when_heard() {
  bool heard = num_started_ == processes_.size() &&
               std::none_of(processes_.begin(), processes_.end(), [](pid_t process) {
                 return process > 0 && would_die_of(SIGTERM, process);
               });
  if (!heard && Clock::now() - started_ < kHearing) return;
  stop_due_ = false;
  if (ranks_) ranks_->send({FrameType::signal, {std::to_string(SIGTERM)}});
}

// --- what the machine decides

void Agent::act(const Actions& actions) {
  v1::Phase phase = machine_.phase();
  for (const Action& action : actions) {
    std::visit([this](const auto& any) { act(any); }, action);
  }
  beat_due_ = beat_due_ || !actions.empty() || machine_.phase() != phase;
}

void Agent::act(const Prepare& prepare) {
  client_->forget_fences();
  connected_.clear();
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
                  .job_id = machine_.membership().job_id(),
                  .started_at = machine_.membership().started_at(),
                  .shared_memory = ranks_->shm_dir(),
                  .snapshots = may_restart() ? folders_.memory() + "/snapshots" : "",
                  .bind = options_.bind};
  std::string nodes;
  std::string ranks;
  int rank = 0;
  for (const v1::Node& node : prepare.plan.nodes()) {
    nodes += (nodes.empty() ? "" : ",") + node.host();
    std::string own;
    for (int i = 0; i < node.slots(); ++i) own += (i ? "," : "") + std::to_string(rank++);
    ranks += (ranks.empty() ? "" : ";") + own;
  }
  ranks_->send({FrameType::prepare,
                {fmt::format("tessera-{}.{}", machine_.membership().ranks_secret(),
                             prepare.plan.generation()),
                 nodes, ranks, std::to_string(prepare.plan.world_size()),
                 std::to_string(environment_.first_rank()), std::to_string(prepare.place)}});
  send_program();
  lease_told_ = 0;
  send_lease();
}

void Agent::send_program() {
  std::vector<std::string> fields{std::filesystem::current_path().string(),
                                  std::to_string(options_.program.size())};
  fields.insert(fields.end(), options_.program.begin(), options_.program.end());
  std::vector<std::string> variables = environment_.common(own_environment());
  fields.insert(fields.end(), variables.begin(), variables.end());
  ranks_->send({FrameType::program, std::move(fields)});
  for (int local = 0; local < options_.node.slots(); ++local) {
    fields = {std::to_string(local), environment_.cores_of(local)};
    variables = environment_.of(local);
    fields.insert(fields.end(), variables.begin(), variables.end());
    ranks_->send({FrameType::rank, std::move(fields)});
    PmixProcess::Outputs outputs = ranks_->take_outputs(local);
    output_.add(environment_.first_rank() + local, std::move(outputs.out), std::move(outputs.err));
  }
}

void Agent::act(const Start&) {
  started_ = Clock::now();
  ranks_->send({FrameType::start, {}});
}

void Agent::act(const Kill&) {
  stop_due_ = false;
  dying_since_ = Clock::now();
  ranks_->send({FrameType::end, {}});
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
    act(machine_.failed(
        launch_failure("tessera-pmix, which keeps the ranks, has ended. " + ranks_->last_words())));
  }
  dying_since_.reset();
  end_orphans(warm_ ? std::vector<pid_t>{warm_->pid()} : std::vector<pid_t>{});
  for (const std::string& folder : {ranks_->session_dir(), ranks_->shm_dir()}) {
    if (FileSystem::real().kind(folder) != FileKind::none) FileSystem::real().remove_all(folder);
  }
  ranks_.reset();
  if (!output_.wait_for_ends(kOutputEndMs)) output_.drop_all();
  act(machine_.dead());
  beat_due_ = true;
}

// --- the ranks

void Agent::take_reports() {
  if (!ranks_) return;
  try {
    for (const Frame& frame : ranks_->receive()) take_report(frame);
  } catch (const std::exception& error) {
    act(machine_.failed(launch_failure(error.what())));
  }
}

void Agent::take_report(const Frame& frame) {
  switch (frame.type) {
    case FrameType::ready:
      machine_.ready();
      beat_due_ = true;
      break;
    case FrameType::started:
      processes_.at(static_cast<size_t>(number_in(frame.fields.at(0)))) =
          number_in(frame.fields.at(1));
      ++num_started_;
      break;
    case FrameType::connected:
      connected_.insert(number_in(frame.fields.at(0)) - environment_.first_rank());
      break;
    case FrameType::exec_failed:
      launch_errors_[number_in(frame.fields.at(0))] = frame.fields.at(1);
      break;
    case FrameType::exited: take_exit(frame); break;
    case FrameType::fence: take_fence(frame); break;
    case FrameType::failed: act(machine_.failed(launch_failure(frame.fields.at(0)))); break;
    case FrameType::lease_expired: act(machine_.lapsed()); break;
    case FrameType::modex_request: {
      // Open MPI asks for it only when it was told not to exchange everything at the start.
      constexpr int kNotFound = -46;  // PMIX_ERR_NOT_FOUND
      ranks_->send({FrameType::modex_data, {frame.fields.at(0), std::to_string(kNotFound), ""}});
      break;
    }
    default: break;
  }
}

void Agent::take_exit(const Frame& frame) {
  int local = number_in(frame.fields.at(0));
  processes_.at(static_cast<size_t>(local)) = 0;
  bool by_signal = frame.fields.at(1) == "signal";
  int value = number_in(frame.fields.at(2));
  bool well = !by_signal && (value == 0 || value == 75);
  // A program that calls MPI_Init on some ranks only, or by another library, waits or errs unseen.
  bool alone = well && value == 0 && !connected_.empty() && !connected_.contains(local);
  std::optional<v1::Failure> failure;
  if (!well) failure = failure_of(local, by_signal, value);
  if (alone) {
    failure = failure_of(local, false, 1);
    failure->set_text(fmt::format("rank {} on {} ended without MPI_Init, which others have called",
                                  environment_.first_rank() + local, options_.node.host()));
  }
  act(machine_.rank_ended(by_signal ? -1 : value, failure));
}

void Agent::take_fence(const Frame& frame) {
  v1::FenceRequest request;
  request.set_member(machine_.membership().member());
  request.set_secret(machine_.secret());
  request.set_generation(machine_.generation());
  request.set_key(frame.fields.at(0));
  const std::string& nodes = frame.fields.at(1);
  for (size_t begin = 0; begin < nodes.size();) {
    size_t end = std::min(nodes.find(',', begin), nodes.size());
    request.add_participants(number_in(nodes.substr(begin, end - begin)));
    begin = end + 1;
  }
  request.set_data(frame.fields.at(2));
  client_->fence(std::move(request));
}

v1::Failure Agent::failure_of(int local_rank, bool by_signal, int value) {
  int rank = environment_.first_rank() + local_rank;
  auto launch_error = launch_errors_.find(local_rank);
  output_.wait_for_stderr(rank, kStderrMs);
  return rank_failure(
      {.rank = rank,
       .host = options_.node.host(),
       .by_signal = by_signal,
       .value = value,
       .after_ms = std::chrono::duration_cast<milliseconds>(Clock::now() - started_).count(),
       .launch_error = launch_error == launch_errors_.end() ? "" : launch_error->second,
       .stderr_tail = output_.stderr_tail(rank)});
}

v1::Failure Agent::launch_failure(const std::string& text) const {
  return agent::launch_failure(options_.node.host(), text);
}

// --- the user

void Agent::say(const std::string& text) const { fmt::print(stderr, "tessera launch: {}\n", text); }

void Agent::tell_end(const v1::Order& order) const {
  if (!order.has_failure()) {
    if (order.exit_code() != 0) say(order.reason());
    return;
  }
  const v1::Failure& failure = order.failure();
  fmt::print(stderr, "tessera: {}\n", failure.text());
  if (failure.stderr_tail().empty()) return;
  fmt::print(stderr, "The end of its standard error:\n");
  const std::string& tail = failure.stderr_tail();
  for (size_t begin = 0; begin < tail.size();) {
    size_t end = std::min(tail.find('\n', begin), tail.size());
    fmt::print(stderr, "  {}\n", tail.substr(begin, end - begin));
    begin = end + 1;
  }
}

void Agent::take_signals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    auto signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) continue;
    if (signal == SIGUSR1 || signal == SIGUSR2) {
      if (ranks_) ranks_->send({FrameType::signal, {std::to_string(signal)}});
    } else {
      ask_to_leave(signal);
    }
  }
}

void Agent::ask_to_leave(int signal) {
  bool member = machine_.membership().member() != 0;
  if (asked_to_leave_ || !member) {
    // At once, then. The ranks end with this process.
    exit_code_ = kSignalBase + signal;
    if (member) client_->leave("ended by a signal", 500);
    return;
  }
  asked_to_leave_ = signal;
  say("stopping after a checkpoint; a second signal ends everything at once");
  machine_.leave();
  beat_due_ = true;
}

}  // namespace tessera::agent
