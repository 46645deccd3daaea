#include "launcher/agent/pmix_server/server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "core/error.h"
#include "launcher/agent/pmix_server/descendants.h"
#include "launcher/agent/pmix_server/environment.h"
#include "launcher/agent/pmix_server/name_space.h"
#include "launcher/agent/pmix_server/system_error.h"

namespace tessera::agent {
namespace {

// Once ranks run, the main thread calls nothing of libpmix that waits: a rank that is killed while
// it connects can block libpmix's own thread for good.

// A killed process is gone within milliseconds, unless it waits for a device.
constexpr std::chrono::milliseconds kDeathLimit{10'000};
// An agent that takes its last report no sooner is as good as gone.
constexpr std::chrono::milliseconds kLastReportLimit{500};
constexpr std::chrono::milliseconds kAgentDeathLimit{500};

// SIGCHLD comes through a descriptor. What a terminal or a scheduler sends to everything that it
// started is for the agent and the ranks to act upon: this process ends with its agent.
Descriptor open_signals() {
  for (int ignored : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU,
                      SIGTSTP, SIGTTIN, SIGTTOU}) {
    std::signal(ignored, SIG_IGN);
  }
  // Ignored, it would take the exit statuses with it.
  std::signal(SIGCHLD, SIG_DFL);
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigprocmask(SIG_SETMASK, &watched, nullptr);
  Descriptor descriptor(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  if (descriptor.get() < 0) throw_system_error("watch signals");
  return descriptor;
}

void expect(FrameType order, bool condition, std::string_view expected) {
  if (!condition) throw Error(fmt::format("[{}] expected {}", name_of(order), expected));
}

}  // namespace

Server::Server(Options options)
    : options_(std::move(options)),
      events_(*new EventQueue),
      agent_(getppid()),
      rank_orders_(options_.local_ranks),
      processes_(options_.local_ranks) {}

int Server::run() {
  bool failed = false;
  try {
    set_up();
    serve();
  } catch (const std::exception& error) {
    failed = true;
    report_failure(error.what());
  }
  return clean_up() && !failed ? 0 : 1;
}

void Server::set_up() {
  signals_ = open_signals();
  adopt_descendants();
  forget_launchers();
  set_own_home();
  dirs_.emplace_back(options_.session_dir);
  dirs_.emplace_back(options_.shm_dir);
  start_pmix(options_.session_dir, options_.hostname, events_);
}

void Server::serve() {
  while (!ending_) {
    std::array<pollfd, 4> sources = {{{lease_.descriptor(), POLLIN, 0},
                                      {signals_.get(), POLLIN, 0},
                                      {events_.descriptor(), POLLIN, 0},
                                      {control_.descriptor(), control_.poll_events(), 0}}};
    if (poll(sources.data(), sources.size(), -1) < 0) {
      if (errno == EINTR) continue;
      throw_system_error("wait for orders");
    }
    if (sources[0].revents != 0) {
      control_.post(from_pmix::LeaseExpired{});
      return;
    }
    if (sources[1].revents != 0) take_signals();
    if (sources[2].revents != 0) take_events();
    if ((sources[3].revents & POLLOUT) != 0) control_.flush();
    if ((sources[3].revents & (POLLIN | POLLHUP | POLLERR)) != 0) take_orders();
  }
}

void Server::take_signals() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
  }
  std::vector<RankExit> exits = processes_.reap();
  // What a rank had told before it ended is reported before its end.
  take_events();
  for (const RankExit& exit : exits) report_exit(exit);
}

void Server::take_events() {
  for (Event& event : events_.take()) {
    // Without a job there is nobody whom an event could come from.
    if (!relay_) continue;
    if (auto report = relay_->report(std::move(event))) control_.post(*report);
  }
}

void Server::take_orders() {
  if (!control_.receive()) ending_ = hung_up_ = true;
  while (auto order = control_.next()) {
    if (ending_) return;
    std::visit([this](const auto& any) { obey(any); }, *order);
  }
}

bool Server::clean_up() {
  processes_.signal_all(SIGKILL);
  bool clean = end_descendants(kDeathLimit);
  if (clean) {
    control_.post(from_pmix::Ended{});
  } else {
    report_failure(
        fmt::format("[end] processes still live {} ms after SIGKILL", kDeathLimit.count()));
  }
  control_.flush_within(kLastReportLimit);
  for (const PrivateDir& dir : dirs_) {
    try {
      dir.remove();
    } catch (const std::exception& error) {
      clean = false;
      fmt::print(stderr, "tessera-pmix: {}\n", error.what());
    }
  }
  if (hung_up_) clean_up_after_agent();
  return clean;
}

// An agent that was killed leaves the snapshots of its ranks in memory, which nobody will ask for.
void Server::clean_up_after_agent() const {
  auto deadline = std::chrono::steady_clock::now() + kAgentDeathLimit;
  // Its socket closes a little before it is gone.
  while (getppid() == agent_ && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (getppid() == agent_) return;
  for (const std::string& dir : options_.agent_dirs) {
    // Another server of the same agent may be at it as well.
    std::error_code error;
    std::filesystem::remove_all(dir, error);
  }
}

void Server::obey(const to_pmix::Prepare& order) {
  expect(order.kType, !layout_, "one such order");
  JobLayout layout = layout_of(order);
  expect(order.kType, layout.local_ranks().size() == options_.local_ranks,
         fmt::format("{} ranks on this node", options_.local_ranks));
  expect(order.kType, layout.nodes[layout.node_index] == options_.hostname,
         fmt::format("{} as this node's name", options_.hostname));
  layout_ = std::move(layout);
  relay_.emplace(*layout_, events_);
  register_job(*layout_, options_.session_dir);
  control_.post(from_pmix::Ready{});
}

void Server::obey(const to_pmix::Program& order) {
  expect(order.kType, !program_, "one such order");
  program_ = order;
  program_->environment = without_launchers(order.environment);
}

void Server::obey(const to_pmix::Rank& order) {
  expect(order.kType, !started_, "it before start");
  auto local_index = static_cast<size_t>(order.local_index);
  if (local_index >= options_.local_ranks) {
    fail_frame(order.kType, "local_index", fmt::format("one of {} ranks", options_.local_ranks),
               fmt::format("{}", local_index));
  }
  expect(order.kType, !rank_orders_[local_index], "one such order for a rank");
  rank_orders_[local_index] = order;
}

void Server::obey(const to_pmix::Start& order) {
  expect(order.kType, layout_ && program_, "prepare and program before it");
  expect(order.kType, !started_, "one such order");
  started_ = true;
  for (size_t i = 0; i < options_.local_ranks; ++i) {
    pid_t pid = processes_.start(i, program_of(i));
    control_.post(from_pmix::Started{static_cast<int>(i), pid});
  }
}

Relay& Server::relay_for(FrameType order) {
  expect(order, relay_.has_value(), "prepare before it");
  return *relay_;
}

RankProgram Server::program_of(size_t local_index) const {
  RankProgram program;
  program.arguments = program_->arguments;
  program.folder = program_->folder;
  program.environment = program_->environment;
  if (const auto& own = rank_orders_[local_index]) {
    program.cpus = own->cpus;
    set_entries(program.environment, own->environment);
  }
  add_home(program.environment);
  set_entries(program.environment, identity_of(*layout_, layout_->local_ranks()[local_index]));
  return program;
}

void Server::report_exit(const RankExit& exit) {
  auto index = static_cast<int>(exit.local_index);
  if (!exit.failure.empty()) control_.post(from_pmix::ExecFailed{index, exit.failure});
  control_.post(from_pmix::Exited{index, exit.by_signal, exit.value});
}

void Server::report_failure(const std::string& text) {
  fmt::print(stderr, "tessera-pmix: {}\n", text);
  control_.post(from_pmix::Failed{text});
}

}  // namespace tessera::agent
